import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';

/**
 * Without keys Bora must not answer under a name that somebody else may point at this machine: whoever serves a page from such a name can
 * let it mean this machine a moment later, and the page then calls as if from home. Addresses, `localhost` and names without a dot
 * cannot be had that way.
 */
export function refuseBorrowedNames(
  app: FastifyInstance,
  { authenticator, settings }: ApiDependencies,
): void {
  const own = settings.publicUrl === null ? null : new URL(settings.publicUrl).hostname;
  app.addHook('onRequest', async ({ hostname }) => {
    if (!isDomainName(hostname) || hostname === own || (await authenticator.hasKeys())) return;
    throw new ApiError(
      'host_not_allowed',
      `Without keys Bora answers under localhost and addresses, and not as ${hostname}, which a web page may have pointed at this machine. ` +
        'Name the URL in BORA_PUBLIC_URL if it should, or make a key with "bora keys create".',
    );
  });
}

/** Whether it has to be looked up in the domain name system. Absent in HTTP/1.0, which browsers do not speak. */
function isDomainName(hostname: string | undefined): hostname is string {
  if (hostname === undefined || !hostname.includes('.')) return false;
  return isIP(hostname.replace(/^\[|\]$/g, '')) === 0 && !hostname.toLowerCase().endsWith('.localhost');
}
