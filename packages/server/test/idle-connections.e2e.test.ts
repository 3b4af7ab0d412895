import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { chatAnswer } from '@bora/testkit/scripted-upstream';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { startWholeBora } from '@bora/testkit/whole-bora';

const REQUESTS = 8;
const MODELS = JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] });

interface ClosingUpstream extends AsyncDisposable {
  readonly url: string;
  answered(): number;
  /** Connections that went under a request. */
  broken(): number;
  /** Closes all idle connections, as servers do after five seconds. */
  closeIdle(): void;
  /** Resets all connections there are as soon as something comes on them: what a client sees that sends at that very moment. */
  closeAsTheyAreUsed(): void;
}

async function startClosingUpstream(): Promise<ClosingUpstream> {
  const sockets = new Set<Socket>();
  const stale = new WeakSet<Socket>();
  let answered = 0;
  let broken = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      if (stale.has(request.socket)) {
        broken += 1;
        request.socket.resetAndDestroy();
        return;
      }
      const isCall = request.method === 'POST';
      if (isCall) answered += 1;
      response.end(isCall ? JSON.stringify(chatAnswer('m', 'hello').body) : MODELS);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answered: () => answered,
    broken: () => broken,
    closeIdle: () => server.closeIdleConnections(),
    closeAsTheyAreUsed: () => {
      for (const socket of sockets) stale.add(socket);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function runJob({ client }: WholeBora): Promise<void> {
  const body = { messages: [{ role: 'user' as const, content: 'hello' }] };
  const requests = Array.from({ length: REQUESTS }, (_, at) => ({ custom_id: String(at), body }));
  const { id } = await client.jobs.create({ endpoint: '/v1/chat/completions', model: 'm', requests });
  const job = await client.jobs.waitUntilComplete(id, { intervalMs: 10 });
  assert.deepEqual([job.status, job.succeeded_requests], ['SUCCESS', REQUESTS]);
}

for (const [what, close] of [
  ['between two jobs', 'closeIdle'],
  ['as the next job uses them', 'closeAsTheyAreUsed'],
] as const) {
  test(`idle connections that the upstream closes ${what} cost no request`, { timeout: 30_000 }, async () => {
    await using upstream = await startClosingUpstream();
    await using whole = await startWholeBora({ upstreams: [upstream.url] });
    await runJob(whole);
    upstream[close]();
    await runJob(whole);
    assert.equal(upstream.broken() > 0, close === 'closeAsTheyAreUsed');
    assert.equal(upstream.answered(), 2 * REQUESTS, 'each was answered once');
  });
}
