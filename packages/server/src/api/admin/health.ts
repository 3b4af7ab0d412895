import type { FastifyInstance } from 'fastify';

/** `GET /healthz`: the process answers. Says nothing about the rest, so that a full disk does not get Bora restarted. */
export function healthRoute(app: FastifyInstance): void {
  app.get('/healthz', { config: { access: 'public' } }, () => ({ status: 'ok' }));
}
