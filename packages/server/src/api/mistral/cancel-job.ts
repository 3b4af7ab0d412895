import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { jobNotFound } from '../errors.ts';
import { jobIdOf } from '../path-ids.ts';
import { jobView } from './job-view.ts';

/**
 * `POST /v1/batch/jobs/{job_id}/cancel`, with no body or any. Nothing started → `CANCELLED` at once (live), otherwise
 * `CANCELLATION_REQUESTED` (live); a job that has ended is answered unchanged, so that cancelling twice is no error.
 */
export function cancelJobRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database, reachStopPoint, log } = deps;
  app.post(
    '/v1/batch/jobs/:job_id/cancel',
    { config: { access: 'write' } },
    async (request): Promise<BatchJob> => {
      const { workspaceId, actor } = request.caller;
      const batch = await database.cancelBatch(workspaceId, jobIdOf(request.params), actor);
      if (batch === null) throw jobNotFound();
      await reachStopPoint('cancel.committed');
      log.info({ batch: batch.id, state: batch.state }, 'asked to cancel a job');
      return jobView(batch, deps);
    },
  );
}
