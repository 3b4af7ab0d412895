import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { fastify } from 'fastify';
import { closeWithin } from '../src/api/close-within.ts';
import { endConnectionsAtClose } from '../src/api/connections-at-close.ts';

test(
  'a connection that was never used does not hold a close, and a call under way gets its answer',
  { timeout: 30_000 },
  async () => {
    const app = fastify({ return503OnClosing: false, forceCloseConnections: 'idle' });
    endConnectionsAtClose(app);
    const called = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<string>();
    app.get('/', () => {
      called.resolve();
      return answer.promise;
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    const accepted = once(app.server, 'connection');
    const unused = connect((app.server.address() as AddressInfo).port, '127.0.0.1');
    const ended = once(unused, 'close');
    await accepted;
    const response = fetch(url);
    await called.promise;

    // The clock stands still, so nothing but an ended connection lets the close end.
    const closing = closeWithin(app, 1_000, new SimulatedClock());
    await ended;
    answer.resolve('in time');
    assert.equal(await (await response).text(), 'in time');
    await closing;
  },
);
