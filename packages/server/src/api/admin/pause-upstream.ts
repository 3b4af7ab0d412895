import { pauseUpstream } from '@bora/protocol/bora-upstreams';
import type { Upstream } from '@bora/protocol/bora-upstreams';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { readJsonBody } from '../json-body.ts';
import { upstreamView } from './upstream-view.ts';

/**
 * `POST /bora/v1/upstreams/{name}/pause`: nothing more is sent to it until it is resumed, over restarts too; what is in flight goes on.
 */
export function pauseUpstreamRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post(
    '/bora/v1/upstreams/:upstream/pause',
    { config: { access: 'admin' } },
    async (request): Promise<Upstream> => {
      const { reason } = await readJsonBody(request.raw, pauseUpstream);
      const { name } = upstreamNamed(deps, request.params);
      // Noted first: an answered pause holds, whatever happens next.
      deps.upstreams.pause(await deps.database.pauseUpstream(name, reason));
      return upstreamNamed(deps, request.params);
    },
  );
}

/**
 * The upstream that a path names.
 * @throws ApiError 404
 */
export function upstreamNamed({ upstreams }: ApiDependencies, params: unknown): Upstream {
  const { upstream: name } = params as { upstream: string };
  const all = upstreams.status();
  const found = all.find((status) => status.name === name);
  if (found !== undefined) return upstreamView(found);
  const names = all.map((status) => status.name).join(', ');
  throw new ApiError(
    'upstream_not_found',
    `There is no upstream ${JSON.stringify(name)}. There ${names === '' ? 'is none at all' : `are: ${names}`}.`,
  );
}
