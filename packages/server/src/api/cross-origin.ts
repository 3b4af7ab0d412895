import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';

/** What a page may read of an answer beside its body and the few headers that it always may. */
const EXPOSED = [
  'x-request-id',
  'mistral-correlation-id',
  'retry-after',
  'content-length',
  'content-disposition',
  'content-range',
  'accept-ranges',
  'etag',
  'x-bora-complete',
  'x-bora-lines',
].join(', ');

/** A day; browsers keep a preflight for as long as they like at most (Chromium: two hours). */
const PREFLIGHT_SECONDS = 86_400;

/**
 * Which pages of other origins may call (`corsOrigins`). To the others a browser must not show an answer; but it sends a simple call all
 * the same, and without keys that would be enough to start jobs on the machine of whoever looks at such a page. So they are refused.
 *
 * Programs other than browsers send no `Origin`, and are not concerned.
 */
export function answerCrossOrigin(app: FastifyInstance, deps: ApiDependencies): void {
  app.addHook('onRequest', async (request, reply) => {
    // An answer that a browser kept from one origin is not to be shown to another.
    reply.header('vary', 'Origin');
    const { origin } = request.headers;
    if (origin === undefined) return;
    const allowed = await allowedOrigin(origin, deps);
    if (allowed !== null) {
      reply.headers({ 'access-control-allow-origin': allowed, 'access-control-expose-headers': EXPOSED });
    } else if (!isOwnPage(request, origin, deps)) throw foreignPage(origin);
  });

  app.options('/*', { config: { access: 'public' } }, ({ headers }, reply) => {
    const isLocalNetwork = headers['access-control-request-private-network'] === 'true';
    return reply
      .headers({
        'access-control-allow-methods': 'GET, HEAD, POST, PATCH, DELETE, OPTIONS',
        // Whatever the SDK at hand sends; `*` would not cover `authorization`, nor mean anything to older browsers.
        'access-control-allow-headers':
          headers['access-control-request-headers'] ?? 'authorization, content-type',
        'access-control-max-age': PREFLIGHT_SECONDS,
        ...(isLocalNetwork ? { 'access-control-allow-private-network': 'true' } : {}),
      })
      .code(204)
      .send();
  });
}

/** What to answer a page of the origin: `*` where all may call, as the real service does (live); null if it may not. */
async function allowedOrigin(
  origin: string,
  { authenticator, settings }: ApiDependencies,
): Promise<string | null> {
  const { corsOrigins } = settings;
  if (corsOrigins === 'all') return '*';
  if (corsOrigins !== null) return corsOrigins.includes(origin) ? origin : null;
  return (await authenticator.hasKeys()) ? '*' : null;
}

function isOwnPage({ host }: FastifyRequest, origin: string, { settings }: ApiDependencies): boolean {
  const from = URL.parse(origin)?.host;
  if (from === undefined) return false;
  return from === host || (settings.publicUrl !== null && from === new URL(settings.publicUrl).host);
}

function foreignPage(origin: string): ApiError {
  return new ApiError(
    'origin_not_allowed',
    `A page of ${origin} may not call this Bora. If it should, name the origin in BORA_CORS_ORIGINS; once API keys exist, pages with a key may.`,
  );
}
