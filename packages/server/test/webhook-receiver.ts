import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Bell } from '@bora/server/observe/bell';
import { systemClock } from '@bora/server/observe/clock';

/** What came to a receiver, before it was answered. */
export interface Delivery {
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly url: string;
  readonly deliveries: readonly Delivery[];
  /** Resolves once that many came. */
  received(count: number): Promise<void>;
}

/** Listens on loopback. `answer` gets each call after it was noted, by its number from 1; without it all are taken. */
export async function startWebhookReceiver(
  answer: (response: ServerResponse, call: number, delivery: Delivery) => void = (response) => response.end(),
): Promise<WebhookReceiver> {
  const deliveries: Delivery[] = [];
  const bell = new Bell();
  const server = createServer((request: IncomingMessage, response) => {
    void text(request).then((body) => {
      const headers = request.headers as Record<string, string>;
      const delivery = { path: request.url ?? '', headers, body };
      deliveries.push(delivery);
      bell.ring();
      answer(response, deliveries.length, delivery);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    deliveries,
    async received(count) {
      while (deliveries.length < count) await bell.wait(systemClock, 1_000);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
