import { Readable } from 'node:stream';
import type { Clock } from '../observe/clock.ts';
import { ConnectionPool } from './connection-pool.ts';
import { ForwardedCall } from './forwarded-call.ts';
import type { ForwardedAnswer } from './forwarded-call.ts';
import { ANSWER_BYTES_IN_MEMORY, AttemptTimeout, HttpCall } from './http-call.ts';
import type { CallResult, HttpRequest } from './http-call.ts';
import { LISTING_PATH, readListing } from './model-listing.ts';
import type { Listing } from './model-listing.ts';
import { DEFAULT_ATTEMPT_TIMEOUT_MS, DEFAULT_MAX_IN_FLIGHT } from './upstreams.ts';
import type { AttemptRequest, ForwardRequest, StreamedBody, UpstreamConfig } from './upstreams.ts';

const LISTING_TIMEOUT_MS = 3_000;
const QUESTION_TIMEOUT_MS = 30_000;
const EMPTY_REQUEST = Buffer.from('{}');

/** The calls that Bora makes of an upstream, and its connections. */
export class UpstreamCalls implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #pool: ConnectionPool;
  readonly #prefix: string;
  readonly #headers: readonly string[];
  readonly #timeoutMs: number;
  readonly #maxAnswerBytes: number;

  constructor(config: UpstreamConfig, clock: Clock, maxAnswerBytes: number) {
    const url = new URL(config.url);
    this.#clock = clock;
    this.#pool = new ConnectionPool(url.origin, config.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT);
    this.#prefix = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.#headers = headersOf(config);
    this.#timeoutMs = config.timeoutMs ?? DEFAULT_ATTEMPT_TIMEOUT_MS;
    this.#maxAnswerBytes = maxAnswerBytes;
  }

  /** @throws as `Slot.send`. */
  post(request: AttemptRequest, signal?: AbortSignal): Promise<CallResult> {
    const { endpoint, body, streamed } = request;
    return this.#call(
      {
        method: 'POST',
        path: this.#prefix + endpoint,
        headers: streamed === undefined ? this.#headers : this.#headersFor(streamed),
        body: streamed ?? body,
        maxAnswerBytes: this.#maxAnswerBytes,
        openSpill: (status) => request.openSpill(status),
      },
      this.#timeoutMs,
      signal,
    );
  }

  /** @throws as `ForwardSlot.forward`. */
  async forward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardedAnswer> {
    signal.throwIfAborted();
    const call = new ForwardedCall(this.#pool);
    const cancelDeadline = this.#clock.after(this.#timeoutMs, () => call.abort(new AttemptTimeout()));
    const onAbort = (): void => call.abort(signal.reason as Error);
    const settle = (): void => {
      cancelDeadline();
      signal.removeEventListener('abort', onAbort);
    };
    signal.addEventListener('abort', onAbort);
    try {
      const { formType } = request;
      const own = formType === undefined ? this.#headers : this.#headersWith(formType);
      const length = ['content-length', String(request.body.length)];
      const headers = [...length, ...Object.entries(request.headers).flat(), ...own];
      const path = this.#prefix + request.endpoint;
      const answer = await call.run({ method: 'POST', path, headers, body: sentOnce(request.body) });
      answer.body.once('close', settle);
      return answer;
    } catch (error) {
      settle();
      throw error;
    }
  }

  /**
   * Whether it has the endpoint; null if it does not say. Asked with an empty request: no model and no file is named in it, so a 404
   * or 405 can only be about the path, and nobody answers it.
   */
  async hasEndpoint(endpoint: string): Promise<boolean | null> {
    const result = await this.#call(this.#small('POST', endpoint, EMPTY_REQUEST), LISTING_TIMEOUT_MS);
    if (result.kind === 'broken') return null;
    return result.status !== 404 && result.status !== 405;
  }

  /** A request of Bora's own, whose answer is small. */
  ask(endpoint: string, body: Uint8Array): Promise<CallResult> {
    return this.#call(this.#small('POST', endpoint, body), QUESTION_TIMEOUT_MS);
  }

  async list(): Promise<Listing> {
    return readListing(await this.#call(this.#small('GET', LISTING_PATH, null), LISTING_TIMEOUT_MS));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
  }

  #small(method: 'GET' | 'POST', path: string, body: Uint8Array | null): HttpRequest {
    return {
      method,
      path: this.#prefix + path,
      headers: this.#headers,
      body,
      maxAnswerBytes: ANSWER_BYTES_IN_MEMORY,
      openSpill: null,
    };
  }

  #headersFor({ contentType, length }: StreamedBody): string[] {
    const headers = this.#headersWith(contentType);
    return length === null ? headers : [...headers, 'content-length', String(length)];
  }

  #headersWith(contentType: string): string[] {
    return this.#headers.with(this.#headers.indexOf('content-type') + 1, contentType);
  }

  async #call(request: HttpRequest, timeoutMs: number, signal?: AbortSignal): Promise<CallResult> {
    signal?.throwIfAborted();
    const call = new HttpCall(this.#pool, request);
    const cancelDeadline = this.#clock.after(timeoutMs, () => call.abort(new AttemptTimeout()));
    const onAbort = (): void => call.abort(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort);
    try {
      return await call.run();
    } finally {
      cancelDeadline();
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/**
 * A body that undici does not keep once it is sent: bytes it would hold until the answer ends, and a caller may take hours over an answer.
 */
function sentOnce(body: Uint8Array): Readable {
  const left = [body];
  return new Readable({
    read() {
      this.push(left.pop() ?? null);
    },
  });
}

/** Name and value by turns, as undici takes them with the least work per request. */
function headersOf({ apiKey, headers = {} }: UpstreamConfig): string[] {
  const all = new Map([
    ['content-type', 'application/json'],
    ['user-agent', 'bora'],
  ]);
  if (apiKey !== undefined && apiKey !== null) all.set('authorization', `Bearer ${apiKey}`);
  for (const [name, value] of Object.entries(headers)) all.set(name.toLowerCase(), value);
  return [...all].flat();
}
