import type { Model, ModelList } from '@bora/protocol/models';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/**
 * `GET /v1/models` and `GET /v1/models/{model}`: what jobs and calls may ask for, in a shape that the SDKs of both dialects take. Models of
 * an upstream that is down are listed too: work for them waits.
 */
export function listModelsRoute(app: FastifyInstance, { upstreams }: ApiDependencies): void {
  const known = (): string[] => {
    const all = upstreams.status().flatMap(({ serves }) => (serves === 'any' ? [] : serves));
    return [...new Set(all)].toSorted();
  };
  app.get('/v1/models', { config: { access: 'read' } }, (): ModelList => ({
    object: 'list',
    data: known().map(modelView),
  }));
  app.get('/v1/models/*', { config: { access: 'read' } }, ({ params }): Model => {
    const id = (params as { '*': string })['*'];
    if (!known().includes(id)) throw new ApiError('model_not_found', `No upstream serves the model ${id}.`);
    return modelView(id);
  });
}

function modelView(id: string): Model {
  return {
    id,
    object: 'model',
    created: 0,
    owned_by: 'bora',
    type: 'base',
    capabilities: { completion_chat: true },
  };
}
