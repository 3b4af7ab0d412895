import type { FastifyInstance } from 'fastify';

/** The address cannot be listened on. */
export class CannotListen extends Error {
  override readonly name = 'CannotListen';
  /** Permanent code, listed in docs/errors.md. */
  readonly code = 'cannot_listen';
}

/**
 * Listens, and answers with the URL; port 0 picks a free one.
 * @throws CannotListen
 */
export async function listenOn(api: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await api.listen({ host, port });
  } catch (error) {
    throw new CannotListen(`Bora cannot listen on ${host}:${port}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return 'another program has the port. Stop it, or choose another with BORA_PORT.';
    case 'EACCES':
      return 'this user may not use the port. Choose one above 1023 with BORA_PORT.';
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'the address is none of this machine. Choose another with BORA_HOST.';
    default:
      return `${(error as Error).message}.`;
  }
}
