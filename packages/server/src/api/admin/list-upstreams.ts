import type { UpstreamList } from '@bora/protocol/bora-upstreams';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { upstreamView } from './upstream-view.ts';

/** `GET /bora/v1/upstreams`: as they are now. */
export function listUpstreamsRoute(app: FastifyInstance, { upstreams }: ApiDependencies): void {
  app.get('/bora/v1/upstreams', { config: { access: 'admin' } }, (): UpstreamList => ({
    data: upstreams.status().map(upstreamView),
    object: 'list',
  }));
}
