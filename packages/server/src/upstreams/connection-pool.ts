import type { Socket } from 'node:net';
import { buildConnector, Pool } from 'undici';
import type { Dispatcher } from 'undici';

/** uvicorn, and so vLLM and SGLang, closes a connection that is idle for 5 s; one that we close first cannot break in our hands. */
const KEEP_ALIVE_MS = 4_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Connections to one upstream: at most one per attempt that may be in flight, and one more for probes. */
export class ConnectionPool {
  readonly #pool: Pool;
  readonly #usedWhenBroken = new WeakMap<Error, boolean>();

  constructor(origin: string, maxInFlight: number) {
    const connect = buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
    this.#pool = new Pool(origin, {
      connections: maxInFlight + 1,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // A completion sends its headers when it is finished, so undici's 300 s would end every long answer. The attempt's own
      // deadline counts.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: (options, callback) =>
        connect(options, (...[error, socket]) => {
          if (error !== null) return callback(error, null);
          this.#watch(socket);
          return callback(null, socket);
        }),
    });
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#pool.dispatch(options, handler);
  }

  /** Whether the connection that broke with `error` had carried an answer before. */
  wasUsed(error: Error): boolean {
    const known = this.#usedWhenBroken.get(error);
    if (known !== undefined) return known;
    const { socket } = error as { socket?: { bytesRead?: number } };
    return (socket?.bytesRead ?? 0) > 0;
  }

  /** Breaks what is in flight. */
  async destroy(): Promise<void> {
    await this.#pool.destroy();
  }

  #watch(socket: Socket): void {
    socket.prependOnceListener('error', (error) => this.#usedWhenBroken.set(error, socket.bytesRead > 0));
  }
}
