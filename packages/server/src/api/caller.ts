import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller, Identified } from '../access/authenticate.ts';
import { covers } from '../access/authenticate.ts';
import { verifyDownload } from '../access/signed-url.ts';
import type { KeyScope } from '../storage/ports/access-records.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { fileIdOf } from './path-ids.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who calls. Set before any route that is not public runs. */
    caller: Caller;
  }
  interface FastifyContextConfig {
    /**
     * The scope that a key needs; `public` needs no key; `signed` needs `read`, or takes the signature of a signed URL in place of a
     * key. A route that does not say is for admins.
     */
    readonly access?: 'public' | 'signed' | KeyScope;
  }
}

/** Nobody learns anything, not even that a path is unknown, before it is clear who calls and that they may. */
export function identifyCallers(app: FastifyInstance, deps: ApiDependencies): void {
  app.decorateRequest('caller', null as unknown as Caller);
  app.addHook('onRequest', async (request) => {
    const { access = 'admin' } = request.routeOptions.config;
    if (access === 'public') return;
    const isSigned = access === 'signed' && 'signature' in (request.query as object);
    request.caller = callerOf(
      isSigned
        ? await holderOfLink(request, deps)
        : await deps.authenticator.identify(request.headers, request.ip),
    );
    if (request.is404) return;
    checkScope(request, access === 'signed' ? 'read' : access);
  });
}

async function holderOfLink(
  request: FastifyRequest,
  { authenticator, database, clock }: ApiDependencies,
): Promise<Identified> {
  const grant = verifyDownload(
    fileIdOf(request.params),
    request.query as Record<string, unknown>,
    await database.signingSecret(),
    clock.now(),
  );
  if (grant === null) {
    throw new ApiError(
      'bad_signature',
      'This link has expired or was changed. Ask for a new one with GET /v1/files/{file_id}/url.',
    );
  }
  return authenticator.identifyHolder(grant.workspaceId, request.ip);
}

function callerOf(identified: Identified): Caller {
  switch (identified.kind) {
    case 'caller':
      return identified.caller;
    case 'unknown':
      throw new ApiError('invalid_api_key', 'Invalid API Key');
    case 'expired':
    case 'revoked': {
      const { expiresAt, revokedAt } = identified.key;
      const at = new Date(revokedAt ?? expiresAt ?? 0).toISOString();
      const message = `This key ${identified.kind === 'expired' ? 'expired' : 'was revoked'} at ${at}. Ask for a new one.`;
      throw new ApiError('invalid_api_key', 'Invalid API Key', { message });
    }
    case 'disabled': {
      const { name, disabled } = identified.workspace;
      throw new ApiError('workspace_disabled', `The workspace ${name} is disabled: ${disabled?.reason}`);
    }
  }
}

function checkScope(request: FastifyRequest, needed: KeyScope): void {
  const { caller, method, routeOptions } = request;
  if (needed === 'admin' && caller.actor.keyId === null) refuseForeignPage(request);
  if (covers(caller.scope, needed)) return;
  throw new ApiError(
    'scope_missing',
    `${method} ${routeOptions.url} needs a key of the scope ${needed}, but this one has ${caller.scope}. ` +
      'Use another key, or ask an admin for one.',
  );
}

/**
 * Without keys Bora answers whatever runs on this machine, and a browser runs what any page on the web tells it to. Such a page must
 * not be the one that makes the first key and so closes Bora to its owner. Browsers say whose page calls; other programs do not.
 */
function refuseForeignPage({ headers, host }: FastifyRequest): void {
  const { origin } = headers;
  if (origin === undefined || URL.parse(origin)?.host === host) return;
  throw new ApiError(
    'scope_missing',
    `Without keys a page of ${origin} may not administer Bora. Make a key of the scope admin with "bora keys create", and use it.`,
  );
}
