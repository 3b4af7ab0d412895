import { errorBody } from '../batches/lines/line-bytes.ts';
import type { FileMember } from '../bytes/named-files.ts';
import { stringAt } from '../bytes/splice-file.ts';
import { FETCH_REFUSALS, FetchRefused } from '../upstreams/fetch-refusal.ts';
import { MAX_FAULTS } from '../upstreams/fault-table.ts';
import type { AttemptRequest, Slot, Verdict } from '../upstreams/upstreams.ts';
import { LineRefused } from './line-content.ts';
import type { LineBody, LineContent } from './line-content.ts';
import type { OpenShard } from './open-shard.ts';

const RETRY_MS = 5_000;

const NOT_FOUND = 'A file that the line names is not there.';

/** What a body holds in memory while it is sent: two chunks of a blob, one of them as base64. */
const STREAMED_BYTES = 640 * 1024;

/** Bytes of memory that sending a body takes beside the body. */
export function contentBytes(body: Uint8Array, member: FileMember): number {
  const isStreamed =
    stringAt(body, member) !== null || (member === 'file_id' && stringAt(body, 'file_url') !== null);
  return isStreamed ? STREAMED_BYTES : 0;
}

/**
 * Sends a request whose body may name a file, with the file in it. What is wrong with the file or the link is the line's fault, not the
 * upstream's: it ends the line, or is tried again a few times if it may pass.
 * @throws ContentUnreadable, or as `Slot.send`.
 */
export async function sendWithContent(
  content: LineContent,
  member: FileMember,
  attempt: AttemptRequest,
  { work, aborted }: OpenShard,
  slot: Slot,
): Promise<Verdict> {
  let body: LineBody | null;
  try {
    body = await content.bodyFor(attempt.body, member, work.batch, slot.fileForms, aborted);
  } catch (error) {
    slot.release();
    return verdictOn(error, attempt.faults);
  }
  if (body === null) return slot.send(attempt, aborted);
  try {
    return await slot.send({ ...attempt, streamed: body }, aborted);
  } catch (error) {
    return verdictOn(error, attempt.faults);
  } finally {
    await body[Symbol.asyncDispose]();
  }
}

function verdictOn(error: unknown, faults: number): Verdict {
  if (error instanceof LineRefused) {
    return failed(422, error.code, error.message, error.code === 'invalid_line' ? 'Invalid line' : NOT_FOUND);
  }
  if (!(error instanceof FetchRefused)) throw error;
  if (error.isTransient && faults + 1 < MAX_FAULTS) {
    return {
      kind: 'retry',
      afterMs: RETRY_MS * 2 ** faults,
      countsAgainstLine: true,
      crashed: false,
      reason: error.message,
    };
  }
  const message = `The file_url could not be fetched. ${error.message}`;
  return failed(400, error.code, message, FETCH_REFUSALS[error.code]);
}

/** `reason`: the sentence under which such lines are counted, and so the same for all of them. */
function failed(status: number, code: string, message: string, reason: string): Verdict {
  const body = errorBody(message, 'invalid_request_file', code);
  return { kind: 'failed', status, body, unanswered: { code, message }, reason };
}
