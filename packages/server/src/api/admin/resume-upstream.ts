import type { Upstream } from '@bora/protocol/bora-upstreams';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { upstreamNamed } from './pause-upstream.ts';

/** `POST /bora/v1/upstreams/{name}/resume`: ends a pause, by hand or not, of it and its models; of what is down, does not wait for the next probe. */
export function resumeUpstreamRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post(
    '/bora/v1/upstreams/:upstream/resume',
    { config: { access: 'admin' } },
    async (request): Promise<Upstream> => {
      const { name } = upstreamNamed(deps, request.params);
      await deps.database.resumeUpstream(name);
      deps.upstreams.resume(name);
      return upstreamNamed(deps, request.params);
    },
  );
}
