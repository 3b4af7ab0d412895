import type { FastifyInstance } from 'fastify';

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'x-request-id, mistral-correlation-id, content-range, etag, retry-after',
};
const PREFLIGHT = {
  'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
  'access-control-allow-headers': '*, authorization',
  'access-control-max-age': '86400',
};

/** Puts on each answer what the real service puts there: ids by which a call is found again, and CORS for browsers (live: `*`). */
export function stampAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ ...CORS, 'x-request-id': request.id, 'mistral-correlation-id': request.id });
  });
  app.options('/*', { config: { access: 'public' } }, (_request, reply) =>
    reply.headers(PREFLIGHT).code(204).send(),
  );
}
