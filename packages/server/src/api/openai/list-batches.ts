import { openAiBatchListQuery } from '@bora/protocol/openai-batches';
import type { OpenAiBatchList } from '@bora/protocol/openai-batches';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { batchIdOf, batchNotFound } from './batch-id.ts';
import { batchView } from './batch-view.ts';
import { validateOpenAi } from './validation.ts';

/**
 * `GET /v1/batches`, newest first, behind the batch `after`, which may have been deleted meanwhile. An `after` that never was is refused:
 * beginning anew would send a client round for ever.
 */
export function listBatchesRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database } = deps;
  app.get('/v1/batches', { config: { access: 'read' } }, async (request): Promise<OpenAiBatchList> => {
    const { workspaceId } = request.caller;
    const { limit, after: id } = validateOpenAi(openAiBatchListQuery, request.query);
    const after = id === undefined ? undefined : await database.findBatchPlace(workspaceId, batchIdOf(id));
    if (after === null) throw batchNotFound(id!);
    // One more than asked for tells whether there are more.
    const { batches } = await database.listBatches(workspaceId, {
      page: 0,
      pageSize: limit + 1,
      after,
      order: 'newest-first',
    });
    const data = batches.slice(0, limit).map((batch) => batchView(batch, deps));
    return {
      object: 'list',
      data,
      first_id: data[0]?.id ?? null,
      last_id: data.at(-1)?.id ?? null,
      has_more: batches.length > limit,
    };
  });
}
