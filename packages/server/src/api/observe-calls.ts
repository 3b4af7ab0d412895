import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from './dependencies.ts';

/** Counts and logs calls by their route's pattern, never by their path, which holds ids. */
export function observeCalls(app: FastifyInstance, { metrics, log }: ApiDependencies): void {
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const status = String(reply.statusCode);
    metrics.httpRequests.observe({ route, method: request.method, status }, reply.elapsedTime / 1000);
    log.debug(
      { request: request.id, method: request.method, route, status: reply.statusCode, ms: reply.elapsedTime },
      'answered a call',
    );
  });
}
