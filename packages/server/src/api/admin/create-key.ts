import { createApiKey as createApiKeyBody } from '@bora/protocol/bora-access';
import type { CreatedApiKey } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { createApiKey } from '../../access/create-key.ts';
import { keyView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { readJsonBody } from '../json-body.ts';

/** `POST /bora/v1/keys`: a key for a workspace, which is made if it is new. The answer shows the key, this once. */
export function createKeyRoute(app: FastifyInstance, { database, log }: ApiDependencies): void {
  app.post('/bora/v1/keys', { config: { access: 'admin' } }, async (request): Promise<CreatedApiKey> => {
    const { expires_at: expiresAt, ...wanted } = await readJsonBody(request.raw, createApiKeyBody);
    const { key, record } = await createApiKey(
      database,
      { ...wanted, expiresAt: expiresAt == null ? null : expiresAt * 1000 },
      request.caller.actor,
    );
    log.info({ key: record.id, workspace: record.workspace, scope: record.scope }, 'made an API key');
    return { ...keyView(record), key };
  });
}
