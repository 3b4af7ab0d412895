import type { DeletedBatchJob } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { jobNotFound } from '../errors.ts';
import { jobIdOf } from '../path-ids.ts';

/** `DELETE /v1/batch/jobs/{job_id}`: cancelled if it still runs, hidden at once. Its files are objects of their own and stay. */
export function deleteJobRoute(app: FastifyInstance, { database, log }: ApiDependencies): void {
  app.delete(
    '/v1/batch/jobs/:job_id',
    { config: { access: 'write' } },
    async (request): Promise<DeletedBatchJob> => {
      const id = jobIdOf(request.params);
      const { workspaceId, actor } = request.caller;
      if (!(await database.deleteBatch(workspaceId, id, actor))) throw jobNotFound();
      log.info({ batch: id }, 'deleted a job');
      return { id, object: 'batch', deleted: true };
    },
  );
}
