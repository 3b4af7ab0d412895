import type { JobStatus } from '@bora/protocol/mistral-jobs';
import type { BatchFilter, BatchState, EndReason } from '../../storage/ports/batch-records.ts';

type StateFilter = NonNullable<BatchFilter['statuses']>[number];

/** `finalizing` shows what it will be only after a cancel; otherwise the job still looks as if it ran. */
const RUNNING_WHILE_FINALIZING = ['none', 'completed', 'expired', 'failed'] as const;

/**
 * The states behind each of Mistral's seven statuses. The seven are all there are: 1.x SDKs reject an answer that holds
 * any other word (measured).
 */
const STATES_OF_STATUS: Readonly<Record<JobStatus, readonly StateFilter[]>> = {
  QUEUED: [{ state: 'validating' }, { state: 'queued' }],
  RUNNING: [
    { state: 'running' },
    { state: 'expiring' },
    ...RUNNING_WHILE_FINALIZING.map((endReason) => ({ state: 'finalizing', endReason }) as const),
  ],
  CANCELLATION_REQUESTED: [{ state: 'cancelling' }, { state: 'finalizing', endReason: 'cancelled' }],
  SUCCESS: [{ state: 'completed' }],
  FAILED: [{ state: 'failed' }],
  TIMEOUT_EXCEEDED: [{ state: 'expired' }],
  CANCELLED: [{ state: 'cancelled' }],
};

const STATUS_OF_STATE: Readonly<Record<BatchState, JobStatus>> = {
  validating: 'QUEUED',
  queued: 'QUEUED',
  running: 'RUNNING',
  expiring: 'RUNNING',
  cancelling: 'CANCELLATION_REQUESTED',
  finalizing: 'RUNNING',
  completed: 'SUCCESS',
  failed: 'FAILED',
  expired: 'TIMEOUT_EXCEEDED',
  cancelled: 'CANCELLED',
};

export function statusOf(state: BatchState, endReason: EndReason | null): JobStatus {
  if (state === 'finalizing' && endReason === 'cancelled') return 'CANCELLATION_REQUESTED';
  return STATUS_OF_STATE[state];
}

export function statesOf(statuses: readonly JobStatus[]): StateFilter[] {
  return statuses.flatMap((status) => STATES_OF_STATUS[status]);
}
