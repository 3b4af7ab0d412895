import { realClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { Files } from './files.ts';
import { Jobs } from './jobs.ts';
import { Requests } from './requests.ts';
import { retryPolicy } from './retry.ts';
import { Transport } from './transport.ts';
import { Upstreams } from './upstreams.ts';

/** Where `bora serve` listens unless told otherwise. */
export const DEFAULT_BASE_URL = 'http://127.0.0.1:2672';

export interface BoraClientOptions {
  /** Default `http://127.0.0.1:2672`. A path is kept as a prefix; a trailing `/v1` is dropped. */
  readonly baseUrl?: string;
  /** From `bora keys create`. Not needed while the server has no keys. */
  readonly apiKey?: string | undefined;
  /**
   * How often a call is made again that failed in a way that passes and that is safe to repeat; default 2, 0 = never. Creating a job and
   * uploading are repeated only where it is proven that nothing was written.
   */
  readonly maxRetries?: number;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Stands in for time, in tests. */
  readonly clock?: Clock;
  /** Stands in for `Math.random`, in tests. */
  readonly random?: () => number;
}

/** A typed client for one Bora, on `fetch` alone: browsers and Node. Members of wire objects are named as on the wire. */
export class BoraClient {
  readonly baseUrl: string;
  readonly files: Files;
  readonly jobs: Jobs;
  readonly requests: Requests;
  readonly upstreams: Upstreams;

  constructor(options: BoraClientOptions = {}) {
    const { clock = realClock } = options;
    const transport = new Transport({
      baseUrl: options.baseUrl ?? DEFAULT_BASE_URL,
      apiKey: options.apiKey,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      retry: retryPolicy(options.maxRetries, options.random),
      clock,
    });
    this.baseUrl = transport.baseUrl;
    this.files = new Files(transport);
    this.upstreams = new Upstreams(transport);
    this.jobs = new Jobs(transport, this.files, clock);
    this.requests = new Requests(this.files, this.jobs);
  }
}
