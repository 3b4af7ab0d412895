import { errorOfAnswer, errorOfConnection, errorOfNoJson } from './answer-errors.ts';
import { BoraError } from './bora-error.ts';
import type { Clock } from './clock.ts';
import { mayCallAgain, mayHaveHappened, pauseBefore } from './retry.ts';
import type { RetryPolicy } from './retry.ts';

/** A query value; arrays are repeated, undefined is left out. */
export type QueryValue = string | number | boolean | Date | readonly string[] | undefined;
export type Query = Readonly<Record<string, QueryValue>>;

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** From `/v1` on. */
  readonly path: string;
  readonly query?: Query | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: NonNullable<RequestInit['body']>;
  /** A POST that does the same if it is made twice, such as a cancellation. */
  readonly repeatable?: boolean;
  /** The caller waits out failures itself. */
  readonly once?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A call that removes something, and what its answer would have been if a repetition finds it gone. */
export interface Removal<T> extends Call {
  readonly method: 'DELETE';
  readonly ifGone: T;
}

export interface TransportOptions {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof fetch;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
}

/**
 * Says that a body is sent once and not kept. Without it fetch holds a copy of every body for a redirect: 1.2 GB of memory for an upload
 * of 1.2 GB from a file or stream, against 0.13 to 0.18 GB with it (Node 24). `half` is what fetch demands for a body that is a stream.
 */
const SENT_ONCE = { redirect: 'error', window: null, duplex: 'half' } as const;

/**
 * Sends calls to one Bora and turns everything but success into a `BoraError`. Looking, deleting and POSTs that are `repeatable` are made
 * again after a failure that passes; any other POST only after an answer that proves that nothing was written, and never if its body is a
 * stream, which is gone.
 */
export class Transport {
  readonly baseUrl: string;
  readonly #options: TransportOptions;

  /** How often a call is made again before its failure is thrown. */
  get maxRetries(): number {
    return this.#options.retry.maxRetries;
  }

  constructor(options: TransportOptions) {
    this.baseUrl = options.baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.#options = options;
  }

  /** @throws as `send` does; also for an answer that is not JSON. */
  json<T>(call: Call): Promise<T> {
    return this.#repeat(call, (response) => this.#readJson<T>(call, response));
  }

  /** Deletes. Where the answer to the first call was lost and a repetition finds nothing, the first one did it. */
  async remove<T>(removal: Removal<T>): Promise<T> {
    let mayBeGone = false;
    try {
      return await this.#repeat(
        removal,
        (response) => this.#readJson<T>(removal, response),
        (failure) => (mayBeGone ||= mayHaveHappened(failure)),
      );
    } catch (error) {
      if (mayBeGone && error instanceof BoraError && error.status === 404) return removal.ifGone;
      throw error;
    }
  }

  /** @throws BoraError for every status but 2xx and for a broken connection; the signal's reason if it aborted. */
  send(call: Call): Promise<Response> {
    return this.#repeat(call, async (response) => response);
  }

  /**
   * The error for a call, or the reading of its answer, that broke off.
   * @throws the signal's reason if it aborted
   */
  failureOf(call: Call, error: unknown): BoraError {
    if (call.signal?.aborted) throw call.signal.reason;
    return error instanceof BoraError ? error : errorOfConnection(nameOf(call), this.baseUrl, error);
  }

  async #repeat<T>(
    call: Call,
    read: (response: Response) => Promise<T>,
    beforeRetry: (failure: BoraError) => void = () => {},
  ): Promise<T> {
    const { retry, clock } = this.#options;
    const maxRetries = call.once === true || call.body instanceof ReadableStream ? 0 : retry.maxRetries;
    const repeatable = call.method !== 'POST' || call.repeatable === true;
    for (let retries = 0; ; retries += 1) {
      try {
        return await read(await this.#sendOnce(call));
      } catch (error) {
        const failure = this.failureOf(call, error);
        if (retries >= maxRetries || !mayCallAgain(failure, repeatable)) throw failure;
        const pause = pauseBefore(retries, failure, retry.random);
        if (pause === null) throw failure;
        beforeRetry(failure);
        await clock.sleep(pause, call.signal);
      }
    }
  }

  async #readJson<T>(call: Call, response: Response): Promise<T> {
    const text = await response.text();
    try {
      return JSON.parse(text) as T;
    } catch {
      throw errorOfNoJson(nameOf(call), this.baseUrl, response, text);
    }
  }

  async #sendOnce(call: Call): Promise<Response> {
    const { apiKey, fetch: fetchFunction } = this.#options;
    const response = await fetchFunction(`${this.baseUrl}${call.path}${encodeQuery(call.query)}`, {
      method: call.method,
      headers: { ...call.headers, ...(apiKey ? { authorization: `Bearer ${apiKey}` } : {}) },
      ...(call.signal ? { signal: call.signal } : {}),
      ...(call.body === undefined ? {} : { body: call.body, ...SENT_ONCE }),
    });
    if (!response.ok) throw await errorOfAnswer(nameOf(call), response);
    return response;
  }
}

function nameOf({ method, path }: Pick<Call, 'method' | 'path'>): string {
  return `${method} ${path}`;
}

function encodeQuery(query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    const values = Array.isArray(value) ? (value as readonly string[]) : [value];
    for (const item of values)
      parameters.append(name, item instanceof Date ? item.toISOString() : String(item));
  }
  const text = parameters.toString();
  return text === '' ? '' : `?${text}`;
}
