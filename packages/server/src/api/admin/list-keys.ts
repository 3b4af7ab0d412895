import type { ApiKeyList } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { keyView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** `GET /bora/v1/keys`: all of the installation, oldest first, revoked and expired ones included. */
export function listKeysRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/bora/v1/keys', { config: { access: 'admin' } }, async (): Promise<ApiKeyList> => {
    const keys = await database.listKeys();
    return { data: keys.map(keyView), object: 'list' };
  });
}
