import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import { wordsFor } from '../../batches/lines/fault-words.ts';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';

/**
 * Why a batch failed, as the list that OpenAI's clients read: an entry for each bad line, and where there are more than are listed, one
 * more that tells how many. Null if it did not fail.
 */
export function batchErrors({ state, endpoint, faults, failure }: BatchRecord): OpenAiBatch['errors'] {
  if (state !== 'failed') return null;
  if (faults === null) {
    const message = failure ?? 'The batch failed.';
    return { object: 'list', data: [{ code: 'invalid_request', message, param: null, line: null }] };
  }
  const data = faults.first.map((fault) => ({ ...wordsFor(fault, endpoint), line: fault.line }));
  const { count } = faults;
  if (count > data.length) {
    const message = `${count} lines of the input file are wrong. The first ${data.length} are listed.`;
    data.push({ code: 'too_many_errors', message, param: null, line: null });
  }
  return { object: 'list', data };
}
