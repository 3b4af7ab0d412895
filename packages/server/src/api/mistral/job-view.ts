import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';
import { routeOf } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { seconds } from '../files/file-view.ts';
import { isTerminal, statusOf } from './job-status.ts';

type Reasons = Pick<ApiDependencies, 'upstreams' | 'waits'>;

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
    model: batch.model ?? modelOfRoutes(batch),
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
    bora: {
      state: batch.state,
      waiting: waitingReasons(batch, reasons),
      usage: { input_tokens: batch.inputTokens, output_tokens: batch.outputTokens },
      deadline_at: secondsOrNull(batch.deadlineAt),
      cancelling_at: secondsOrNull(batch.cancellingAt),
      finalizing_at: secondsOrNull(batch.finalizingAt),
      failure: batch.failure,
    },
  };
}

/** The one model that the lines name, or `mixed`, also where they name too many to keep: the SDK 1.3 throws at null (measured). */
function modelOfRoutes({ endpoint, routes }: BatchRecord): string {
  return routes?.length === 1 ? routes[0].slice(endpoint.length + 1) : 'mixed';
}

/**
 * What the storage keeps waiting, what parked shards wait for, then what would keep the others waiting; each reason once. Of a route it is asked now: the sentence
 * with which a shard was parked tells times that have long passed.
 */
function waitingReasons(batch: BatchRecord, { upstreams, waits }: Reasons): string[] {
  const { state, endpoint, model, parked } = batch;
  if (isTerminal(state)) return [];
  if (state === 'finalizing' || state === 'cancelling' || state === 'expiring') return [...waits.reasons];
  const whyWaiting = (route: string): string | null => upstreams.whyWaiting(route);
  const routes = model === null ? (batch.routes ?? []) : [routeOf(endpoint, model)];
  const reasons = [
    ...waits.reasons,
    ...parked.flatMap(({ routes: awaited, reason }) => awaited?.map(whyWaiting) ?? [reason]),
    ...routes.map(whyWaiting),
  ];
  return [...new Set(reasons.filter((reason) => reason !== null))];
}

function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : seconds(milliseconds);
}
