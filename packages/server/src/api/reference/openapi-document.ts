import { openApiDocument } from '@bora/protocol/openapi';
import type { FastifyInstance } from 'fastify';
import { referencePage } from './reference-page.ts';

/** `GET /openapi.json`, and `GET /reference`, the same as a page. Public: they say what anybody can read in the sources. */
export function referenceRoutes(app: FastifyInstance, version: string): void {
  const document = JSON.stringify(openApiDocument(version), null, 1);
  const page = referencePage(version);
  app.get('/openapi.json', { config: { access: 'public' } }, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(document),
  );
  app.get('/reference', { config: { access: 'public' } }, (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'")
      .send(page),
  );
}
