import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { UpstreamRegistry } from '../src/upstreams/registry.ts';
import type { RegistryOptions } from '../src/upstreams/registry.ts';
import type { AnswerSpill, AttemptRequest, Slot, Upstreams, Verdict } from '../src/upstreams/upstreams.ts';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  /** One number per connection. */
  readonly connection: number;
  readonly response: ServerResponse;
  /** Breaks the connection with a TCP reset. */
  readonly reset: () => void;
}

type Reply = (request: ReceivedRequest) => void;

/** A local HTTP server whose every byte, and every break, is the test's; it remembers what it was asked. */
export class BreakableUpstream implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = [];
  /** Answers to `GET /v1/models`; everything else goes to `reply`. */
  listing: Reply = json(200, { object: 'list', data: [{ id: 'm' }] });
  reply: Reply = json(200, { ok: true });
  /** Replies in place of `reply`, before the body has come. */
  early: Reply | null = null;
  readonly #server = createServer((message, response) => {
    // A request that its sender breaks off never comes whole.
    this.#receive(message, response).catch(() => response.destroy());
  });
  readonly #connections = new Map<Socket, number>();
  #waiting: (() => void)[] = [];
  #port = 0;

  constructor() {
    this.#server.on('connection', (socket) => this.#connections.set(socket, this.#connections.size));
  }

  static async open(): Promise<BreakableUpstream> {
    const upstream = new BreakableUpstream();
    await upstream.listen();
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens, again on the same port after `close`. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Resolves once `count` requests other than listings have arrived whole. */
  async received(count: number): Promise<void> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  async #receive(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, headers, url: path = '' } = message;
    const connection = this.#connections.get(socket) ?? -1;
    const isEarly = this.early !== null && message.method === 'POST';
    const body = isEarly ? Buffer.alloc(0) : await bytesOf(message);
    const request = { path, headers, body, connection, response, reset: () => void socket.resetAndDestroy() };
    if (path.endsWith('/v1/models')) return this.listing(request);
    this.requests.push(request);
    if (isEarly) this.early?.(request);
    else this.reply(request);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return ({ response }) =>
    void response
      .writeHead(status, { 'content-type': 'application/json', ...headers })
      .end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
}

/** Leaves the request open. */
export const hold: Reply = () => {};

export const ROUTE = '/v1/chat/completions m';

export function registryOf(
  urls: readonly (string | RegistryOptions['upstreams'][number])[],
  clock = new SimulatedClock(),
  options: Partial<RegistryOptions> = {},
): UpstreamRegistry {
  return new UpstreamRegistry({
    upstreams: urls.map((upstream, index) =>
      typeof upstream === 'string' ? { name: `u${index}`, url: upstream } : upstream,
    ),
    endpoints: ['/v1/chat/completions'],
    clock,
    random: () => 1,
    log: { info: () => {}, warn: () => {} },
    maxAnswerBytes: 1024 * 1024,
    ...options,
  });
}

export function requestOf(
  body: string | Uint8Array = '{"q":1}',
  more: Partial<AttemptRequest> = {},
): AttemptRequest {
  return {
    endpoint: '/v1/chat/completions',
    route: ROUTE,
    body: Buffer.from(body),
    faults: 0,
    crashes: 0,
    openSpill: () => Promise.reject(new Error('No spill was expected.')),
    ...more,
  };
}

export function acquire(upstreams: Upstreams, route = ROUTE): Slot {
  const slot = upstreams.tryAcquire(route);
  if (slot === null) throw new Error(`No place: ${upstreams.whyWaiting(route) ?? 'the window is full'}`);
  return slot;
}

export function send(upstreams: Upstreams, request = requestOf(), signal?: AbortSignal): Promise<Verdict> {
  return acquire(upstreams, request.route).send(request, signal);
}

/** Resolves once `holds`, asked again whenever the upstreams say that something changed. */
export async function until(upstreams: Upstreams, holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise<void>((resolve) => {
      const end = upstreams.onChange(() => {
        end();
        resolve();
      });
    });
  }
}

/** Keeps what is written, and whether it was finished. */
export class MemorySpill implements AnswerSpill {
  readonly chunks: Buffer[] = [];
  status = 0;
  state: 'open' | 'finished' | 'abandoned' = 'open';

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  readonly open = (status: number): Promise<AnswerSpill> => {
    this.status = status;
    return Promise.resolve(this);
  };

  write(chunk: Uint8Array): Promise<void> {
    this.chunks.push(Buffer.from(chunk));
    return Promise.resolve();
  }

  finish(): Promise<void> {
    this.state = 'finished';
    return Promise.resolve();
  }

  abandon(): Promise<void> {
    this.state = 'abandoned';
    return Promise.resolve();
  }
}
