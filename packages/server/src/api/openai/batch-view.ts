import { openAiIdOf } from '@bora/protocol/openai-batches';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';
import { boraFacts, modelsOf, secondsOrNull } from '../batch-facts.ts';
import type { Reasons } from '../batch-facts.ts';
import { seconds } from '../files/file-view.ts';
import { batchErrors } from './batch-errors.ts';
import { openAiStatusOf } from './batch-status.ts';

const HOUR_MS = 60 * 60 * 1000;

/** A batch as OpenAI's API shows it, with every key, null where unset (observed). */
export function batchView(batch: BatchRecord, reasons: Reasons): OpenAiBatch {
  const { state, endReason, endedAt } = batch;
  const models = modelsOf(batch);
  const endedAs = (end: BatchRecord['state']): number | null => secondsOrNull(state === end ? endedAt : null);
  return {
    id: openAiIdOf(batch.id),
    object: 'batch',
    endpoint: batch.endpoint,
    model: models?.length === 1 ? models[0] : null,
    errors: batchErrors(batch),
    input_file_id: batch.inputFileIds[0],
    completion_window: batch.completionWindow ?? windowOf(batch),
    status: openAiStatusOf(state, endReason),
    output_file_id: batch.outputFileId,
    error_file_id: batch.errorFileId,
    created_at: seconds(batch.createdAt),
    // Validated is all that it takes: what waits for its turn is in progress to a client.
    in_progress_at: secondsOrNull(batch.plannedAt ?? batch.startedAt),
    expires_at: secondsOrNull(batch.deadlineAt),
    finalizing_at: secondsOrNull(batch.finalizingAt),
    completed_at: endedAs('completed'),
    failed_at: endedAs('failed'),
    expired_at: endedAs('expired'),
    cancelling_at: secondsOrNull(batch.cancellingAt),
    cancelled_at: endedAs('cancelled'),
    request_counts: countsOf(batch),
    usage: {
      input_tokens: batch.inputTokens,
      input_tokens_details: { cached_tokens: batch.cachedTokens },
      output_tokens: batch.outputTokens,
      output_tokens_details: { reasoning_tokens: batch.reasoningTokens },
      total_tokens: batch.inputTokens + batch.outputTokens,
    },
    metadata: batch.metadata,
    bora: boraFacts(batch, reasons),
  };
}

/** Nothing is counted before it is known that the input is good (observed). */
function countsOf({ state, totalRequests, succeeded, failed }: BatchRecord): OpenAiBatch['request_counts'] {
  if (state === 'validating' || state === 'failed') return { total: 0, completed: 0, failed: 0 };
  return { total: totalRequests, completed: succeeded, failed };
}

/** Of a batch that was made before its window was kept. */
function windowOf({ createdAt, deadlineAt }: BatchRecord): string {
  return deadlineAt === null ? '24h' : `${Math.round((deadlineAt - createdAt) / HOUR_MS)}h`;
}
