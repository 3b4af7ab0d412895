import { errorOfAnswer, errorOfConnection } from './bora-error.ts';

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
  readonly signal?: AbortSignal | undefined;
}

/**
 * Says that a body is sent once and not kept. Without it fetch holds a copy of every body for a redirect: 1.2 GB of memory for an upload
 * of 1.2 GB from a file or stream, against 0.13 to 0.18 GB with it (Node 24). `half` is what fetch demands for a body that is a stream.
 */
const SENT_ONCE = { redirect: 'error', window: null, duplex: 'half' } as const;

/** Sends calls to one Bora and turns everything but success into a `BoraError`. */
export class Transport {
  readonly baseUrl: string;
  readonly #apiKey: string | undefined;
  readonly #fetch: typeof fetch;

  constructor(baseUrl: string, apiKey: string | undefined, fetchFunction: typeof fetch) {
    this.baseUrl = baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
    this.#apiKey = apiKey;
    this.#fetch = fetchFunction;
  }

  async json<T>(call: Call): Promise<T> {
    const response = await this.send(call);
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw this.connectionError(call, error);
    }
  }

  /** @throws BoraError for every status but 2xx and for a broken connection; the signal's reason if it aborted. */
  async send(call: Call): Promise<Response> {
    const init: RequestInit = {
      method: call.method,
      headers: { ...call.headers, ...(this.#apiKey ? { authorization: `Bearer ${this.#apiKey}` } : {}) },
      ...(call.signal ? { signal: call.signal } : {}),
      ...(call.body === undefined ? {} : { body: call.body, ...SENT_ONCE }),
    };
    let response: Response;
    try {
      response = await this.#fetch(`${this.baseUrl}${call.path}${encodeQuery(call.query)}`, init);
    } catch (error) {
      throw this.connectionError(call, error);
    }
    if (!response.ok) throw await errorOfAnswer(`${call.method} ${call.path}`, response);
    return response;
  }

  /** What to throw when a call or the reading of its answer broke off. */
  connectionError(call: Pick<Call, 'method' | 'path' | 'signal'>, error: unknown): unknown {
    if (call.signal?.aborted) return call.signal.reason;
    return errorOfConnection(`${call.method} ${call.path}`, this.baseUrl, error);
  }
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
