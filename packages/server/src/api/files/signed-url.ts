import { signedUrlQuery } from '@bora/protocol/mistral-files';
import type { SignedUrl } from '@bora/protocol/mistral-files';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { downloadLink } from '../../access/signed-url.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { fileNotFound } from '../errors.ts';
import { fileIdOf } from '../path-ids.ts';
import { validate } from '../validation.ts';
import { seconds } from './file-view.ts';

const SECONDS_PER_HOUR = 3600;

/** `GET /v1/files/{file_id}/url`: a link to the content that works without a key, for 1 to 168 hours. */
export function signedUrlRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database, clock, settings } = deps;
  app.get('/v1/files/:file_id/url', { config: { access: 'read' } }, async (request): Promise<SignedUrl> => {
    const fileId = fileIdOf(request.params);
    const { expiry } = validate(signedUrlQuery, request.query, 'query');
    const { workspaceId, creator } = request.caller;
    if ((await database.getFile(workspaceId, fileId, creator)) === null) throw fileNotFound(fileId);

    const expires = seconds(clock.now()) + expiry * SECONDS_PER_HOUR;
    const base = settings.publicUrl ?? baseUrlOf(request);
    return { url: downloadLink(base, { fileId, workspaceId, expires }, await database.signingSecret()) };
  });
}

/** How the caller reached us. Behind a proxy that changes that, `BORA_PUBLIC_URL` says it. */
function baseUrlOf(request: FastifyRequest): string {
  return `${request.protocol}://${request.host}`;
}
