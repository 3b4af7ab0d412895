import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FileServer extends AsyncDisposable {
  readonly port: number;
  /** Paths that were asked for, in order, with the host they were asked of. */
  readonly asked: readonly string[];
}

/** A server on loopback that stands for any on the net. */
export async function startFileServer(
  answer: (path: string, reply: ServerResponse, call: IncomingMessage) => void,
): Promise<FileServer> {
  const asked: string[] = [];
  const server = createServer((call, reply) => {
    asked.push(`${call.headers.host?.split(':')[0]}${call.url}`);
    answer(call.url ?? '', reply, call);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
