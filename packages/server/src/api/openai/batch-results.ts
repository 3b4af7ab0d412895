import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { sendPartialResults } from '../partial-results.ts';
import { batchIdOf, batchNotFound } from './batch-id.ts';

/** `GET` and `HEAD /v1/batches/{batch_id}/results`: the same for clients of OpenAI's dialect. */
export function batchResultsRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/batches/:batch_id/results',
    config: { access: 'read' },
    handler: async (request, reply) => {
      const { batch_id: id } = request.params as { batch_id: string };
      const batch = await deps.database.getBatch(request.caller.workspaceId, batchIdOf(id));
      if (batch === null) throw batchNotFound(id);
      return sendPartialResults(deps, batch, request, reply);
    },
  });
}
