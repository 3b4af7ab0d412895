import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';
import { boraFacts, modelsOf, secondsOrNull } from '../batch-facts.ts';
import type { Reasons } from '../batch-facts.ts';
import { seconds } from '../files/file-view.ts';
import { statusOf } from './job-status.ts';

/**
 * A batch as Mistral's API shows it, with every key in the order of live answers. `outputs` is null here: only a single job
 * shows results (see get-job).
 */
export function jobView(batch: BatchRecord, reasons: Reasons): BatchJob {
  return {
    id: batch.id,
    object: 'batch',
    input_files: [...batch.inputFileIds],
    metadata: batch.metadata,
    endpoint: batch.endpoint,
    model: modelOf(batch),
    agent_id: batch.agentId,
    output_file: batch.outputFileId,
    error_file: batch.errorFileId,
    errors: batch.errors.map(({ message, count }) => ({ message, count })),
    outputs: null,
    status: statusOf(batch.state, batch.endReason),
    created_at: seconds(batch.createdAt),
    total_requests: batch.totalRequests,
    completed_requests: batch.succeeded + batch.failed,
    succeeded_requests: batch.succeeded,
    failed_requests: batch.failed,
    started_at: secondsOrNull(batch.startedAt),
    completed_at: secondsOrNull(batch.endedAt),
    bora: boraFacts(batch, reasons),
  };
}

/** The one model that the lines name, or `mixed`, also where they name too many to keep: the SDK 1.3 throws at null (measured). */
function modelOf(batch: BatchRecord): string {
  const models = modelsOf(batch) ?? [];
  return models.length === 1 ? models[0] : 'mixed';
}
