import type { OpenAiBatchStatus } from '@bora/protocol/openai-batches';
import type { BatchState, EndReason } from '../../storage/ports/batch-records.ts';

const STATUS_OF_STATE: Readonly<Record<BatchState, OpenAiBatchStatus>> = {
  validating: 'validating',
  queued: 'in_progress',
  running: 'in_progress',
  expiring: 'finalizing',
  cancelling: 'cancelling',
  finalizing: 'finalizing',
  completed: 'completed',
  failed: 'failed',
  expired: 'expired',
  cancelled: 'cancelled',
};

/** What was cancelled is `cancelling` until it ends, also while its files are made. */
export function openAiStatusOf(state: BatchState, endReason: EndReason | null): OpenAiBatchStatus {
  if (state === 'finalizing' && endReason === 'cancelled') return 'cancelling';
  return STATUS_OF_STATE[state];
}
