import { Files } from './files.ts';
import { Jobs } from './jobs.ts';
import { Transport } from './transport.ts';
import { Upstreams } from './upstreams.ts';
import type { WaitClock } from './wait.ts';

/** Where `bora serve` listens unless told otherwise. */
export const DEFAULT_BASE_URL = 'http://127.0.0.1:2672';

export interface BoraClientOptions {
  /** Default `http://127.0.0.1:2672`. A path is kept as a prefix; a trailing `/v1` is dropped. */
  readonly baseUrl?: string;
  /** From `bora keys create`. Not needed while the server has no keys. */
  readonly apiKey?: string | undefined;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Stands in for time, in tests. */
  readonly clock?: WaitClock;
}

/** A typed client for one Bora, on `fetch` alone: browsers and Node. Members of wire objects are named as on the wire. */
export class BoraClient {
  readonly baseUrl: string;
  readonly files: Files;
  readonly jobs: Jobs;
  readonly upstreams: Upstreams;

  constructor(options: BoraClientOptions = {}) {
    const fetchFunction = options.fetch ?? ((input, init) => fetch(input, init));
    const transport = new Transport(options.baseUrl ?? DEFAULT_BASE_URL, options.apiKey, fetchFunction);
    this.baseUrl = transport.baseUrl;
    this.files = new Files(transport);
    this.upstreams = new Upstreams(transport);
    this.jobs = new Jobs(transport, this.files, options.clock ?? realClock);
  }
}

const realClock: WaitClock = {
  elapsed: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      }, ms);
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  },
};
