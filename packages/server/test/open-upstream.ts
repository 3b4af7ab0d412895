import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call that an upstream holds open. */
export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Empty if it came as something else than JSON. */
  readonly body: {
    readonly model?: string;
    readonly stream?: boolean;
    readonly messages?: readonly { content: string }[];
  };
  readonly response: ServerResponse;
}

export interface OpenUpstream extends AsyncDisposable {
  readonly url: string;
  /** The next call that came and is not taken yet. */
  next(): Promise<Received>;
}

/** An upstream with the model `m` whose calls stay open until the test answers them. */
export async function startOpenUpstream(): Promise<OpenUpstream> {
  const arrived: Received[] = [];
  const waiting: ((call: Received) => void)[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') {
      response.end(JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] }));
      return;
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { url: path = '', headers } = request;
      const isJson = headers['content-type'] === 'application/json';
      const body = isJson ? (JSON.parse(text) as Received['body']) : {};
      const came = { path, headers, text, body, response };
      const take = waiting.shift();
      if (take === undefined) arrived.push(came);
      else take(came);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: () => {
      const came = arrived.shift();
      return came === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(came);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
