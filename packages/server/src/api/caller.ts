import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from '../access/authenticate.ts';
import { verifyDownload } from '../access/signed-url.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { fileIdOf } from './path-ids.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls. Set before any route that is not public runs. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /** `public` needs no key; `signed` takes the signature of a signed URL in place of one. Default: a key. */
    readonly access?: 'public' | 'signed';
  }
}

/** Nobody learns anything, not even that a path is unknown, before it is clear who calls. */
export function identifyCallers(app: FastifyInstance, deps: ApiDependencies): void {
  app.decorateRequest('caller', null as unknown as Caller);
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config;
    if (access === 'public') return;
    const isSigned = access === 'signed' && 'signature' in (request.query as object);
    request.caller = isSigned ? await callerOfSignature(request, deps) : await callerOfKey(request, deps);
  });
}

async function callerOfKey(request: FastifyRequest, deps: ApiDependencies): Promise<Caller> {
  const caller = await deps.authenticator.authenticate(request.headers);
  if (caller === null) throw new ApiError('invalid_api_key', 'Invalid API Key');
  return caller;
}

async function callerOfSignature(request: FastifyRequest, deps: ApiDependencies): Promise<Caller> {
  const grant = verifyDownload(
    fileIdOf(request.params),
    request.query as Record<string, unknown>,
    await deps.database.signingSecret(),
    deps.clock.now(),
  );
  if (grant === null) {
    throw new ApiError(
      'bad_signature',
      'This link has expired or was changed. Ask for a new one with GET /v1/files/{file_id}/url.',
    );
  }
  return { workspaceId: grant.workspaceId, keyId: null };
}
