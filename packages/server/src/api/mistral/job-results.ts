import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { jobNotFound } from '../errors.ts';
import { sendPartialResults } from '../partial-results.ts';
import { jobIdOf } from '../path-ids.ts';

/** `GET` and `HEAD /v1/batch/jobs/{job_id}/results`, of Bora's own: the result lines that are there, while the job runs too. */
export function jobResultsRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/batch/jobs/:job_id/results',
    config: { access: 'read' },
    handler: async (request, reply) => {
      const batch = await deps.database.getBatch(request.caller.workspaceId, jobIdOf(request.params));
      if (batch === null) throw jobNotFound();
      return sendPartialResults(deps, batch, request, reply);
    },
  });
}
