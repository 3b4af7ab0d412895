import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { batchIdOf, batchNotFound } from './batch-id.ts';
import { batchView } from './batch-view.ts';

/** `GET /v1/batches/{batch_id}` */
export function getBatchRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database } = deps;
  app.get('/v1/batches/:batch_id', { config: { access: 'read' } }, async (request): Promise<OpenAiBatch> => {
    const { batch_id: id } = request.params as { batch_id: string };
    const batch = await database.getBatch(request.caller.workspaceId, batchIdOf(id));
    if (batch === null) throw batchNotFound(id);
    return batchView(batch, deps);
  });
}
