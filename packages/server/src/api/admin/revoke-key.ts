import type { RevokedApiKey } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/** `DELETE /bora/v1/keys/{key_id}`: the key stops working with the next call. */
export function revokeKeyRoute(app: FastifyInstance, { database, log }: ApiDependencies): void {
  app.delete(
    '/bora/v1/keys/:key_id',
    { config: { access: 'admin' } },
    async (request): Promise<RevokedApiKey> => {
      const { key_id: id } = request.params as { key_id: string };
      if (!(await database.revokeKey(id, request.caller.actor))) {
        throw new ApiError('key_not_found', `There is no key ${id} that could be revoked.`);
      }
      log.info({ key: id }, 'revoked an API key');
      return { id, object: 'api_key', revoked: true };
    },
  );
}
