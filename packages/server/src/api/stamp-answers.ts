import type { FastifyInstance } from 'fastify';

/** Puts on each answer the ids by which its call is found again, as the real service does (live). */
export function stampAnswers(app: FastifyInstance): void {
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-request-id': request.id, 'mistral-correlation-id': request.id });
  });
}
