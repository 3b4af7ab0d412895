import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const CHUNK = Buffer.alloc(64 * 1024, 'The bora blows in gusts. ');
const MODELS = JSON.stringify({ object: 'list', data: [{ id: 'stub', object: 'model' }] });

export interface AnsweringUpstream extends AsyncDisposable {
  readonly url: string;
  /** Requests that were answered whole. */
  readonly answered: number;
}

/**
 * An upstream whose answers hold text of so many bytes, written as fast as they are taken. It holds none of them, so many can be under way
 * at once. The first `together` requests are answered together, when all of them are there.
 */
export async function openAnsweringUpstream(answerBytes: number, together = 1): Promise<AnsweringUpstream> {
  let answered = 0;
  let missing = together;
  const allAreThere = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json').end(MODELS);
      return;
    }
    answer(request, response).catch(() => response.destroy());
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    request.resume();
    await once(request, 'end');
    missing -= 1;
    if (missing === 0) allAreThere.resolve();
    await allAreThere.promise;
    response.setHeader('content-type', 'application/json');
    response.write(
      '{"object":"chat.completion","model":"stub","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"',
    );
    for (let left = answerBytes; left > 0; left -= CHUNK.length) {
      if (!response.write(CHUNK.subarray(0, left))) await once(response, 'drain');
    }
    response.end('"}}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}');
    await once(response, 'finish');
    answered += 1;
  };
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get answered() {
      return answered;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}
