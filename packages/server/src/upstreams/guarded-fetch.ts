import { lookup } from 'node:dns/promises';
import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { Client } from 'undici';
import type { Dispatcher } from 'undici';
import type { Clock } from '../observe/clock.ts';
import { AddressGuard } from './address-guard.ts';
import { FetchRefused } from './fetch-refusal.ts';

const MOST_REDIRECTS = 5;
const REDIRECTS = [301, 302, 303, 307, 308];
const PLAIN_TYPE = /^[\w.+-]+\/[\w.+-]+$/;

export interface FetchSettings {
  /** Of the content; a longer one is refused, at the latest when it has come so far. */
  readonly maxBytes: number;
  /** Milliseconds that Bora waits for the other side, in all. What the reader of the content takes does not count. */
  readonly timeoutMs: number;
  /** Addresses and networks that may be reached though they are private, local or reserved. */
  readonly allow: readonly string[];
}

/** All addresses of a host name. */
export type Resolve = (hostname: string) => Promise<readonly LookupAddress[]>;

/** What a link leads to, while it comes in. To be disposed of, read or not. */
export interface Fetched extends AsyncDisposable {
  /** Null if the server does not say. */
  readonly length: number | null;
  readonly contentType: string;
  /** The last step of the path; never empty. */
  readonly filename: string;
  /** To be read once. Throws `FetchRefused`. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/**
 * Fetches what links in requests lead to, which anybody may have written, and nothing that lies on this machine or its networks: each
 * host is resolved once, every address is checked, and the connection goes to a checked one, so a name that means something else the
 * next moment gains nothing. Each redirect begins anew.
 */
export class GuardedFetch {
  readonly #settings: FetchSettings;
  readonly #guard: AddressGuard;
  readonly #clock: Clock;
  readonly #resolve: Resolve;

  constructor(
    settings: FetchSettings,
    clock: Clock,
    resolve: Resolve = (name) => lookup(name, { all: true }),
  ) {
    this.#settings = settings;
    this.#guard = new AddressGuard(settings.allow);
    this.#clock = clock;
    this.#resolve = resolve;
  }

  /**
   * Asks for the content, and resolves once it begins to come.
   * @throws FetchRefused
   * @throws the signal's reason if it aborts.
   */
  async open(link: string, signal?: AbortSignal): Promise<Fetched> {
    await using hops = new AsyncDisposableStack();
    const wait = new Waiting(this.#clock, this.#settings.timeoutMs, signal);
    hops.defer(() => wait.end());
    let url = checkedUrl(link);
    for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects += 1) {
      const client = new Client(url.origin, {
        connect: { lookup: await this.#pin(url, wait) },
        allowH2: false,
        pipelining: 0,
      });
      hops.defer(() => client.destroy());
      const answer = await wait.for((aborted) =>
        client.request({ method: 'GET', path: url.pathname + url.search, headers: HEADERS, signal: aborted }),
      );
      if (REDIRECTS.includes(answer.statusCode)) {
        url = redirectedTo(url, answer.headers.location);
        await client.destroy();
        continue;
      }
      checkStatus(answer.statusCode);
      return this.#fetched(url, answer, wait, hops.move());
    }
    throw new FetchRefused('file_url_redirects');
  }

  /** The addresses that the URL's host has now, and that a connection will go to whatever it has later. */
  async #pin({ hostname }: URL, wait: Waiting): Promise<LookupFunction> {
    const literal = hostname.replace(/^\[|\]$/g, '');
    const addresses =
      isIP(literal) === 0
        ? await wait.for(() => this.#resolve(hostname))
        : [{ address: literal, family: isIP(literal) }];
    if (addresses.length === 0) throw new FetchRefused('file_url_unreachable', { isTransient: true });
    // Of all, because the connection may go to any.
    if (!addresses.every(({ address }) => this.#guard.admits(address)))
      throw new FetchRefused('file_url_address');
    return (_, { all }, callback) => {
      if (all === true) callback(null, [...addresses]);
      else callback(null, addresses[0].address, addresses[0].family);
    };
  }

  #fetched(url: URL, answer: Dispatcher.ResponseData, wait: Waiting, opened: AsyncDisposableStack): Fetched {
    const { maxBytes } = this.#settings;
    const length = Number(answer.headers['content-length'] ?? NaN);
    if (length > maxBytes) {
      void opened.disposeAsync();
      throw new FetchRefused('file_url_too_large');
    }
    const [type] = String(answer.headers['content-type'] ?? '').split(';');
    return {
      length: Number.isSafeInteger(length) ? length : null,
      contentType: PLAIN_TYPE.test(type) ? type : 'application/octet-stream',
      filename: filenameOf(url),
      chunks: chunksOf(answer.body, maxBytes, wait),
      [Symbol.asyncDispose]: () => opened.disposeAsync(),
    };
  }
}

const HEADERS = { 'user-agent': 'bora', accept: '*/*', 'accept-encoding': 'identity' };

/** Time spent waiting for the other side, until there is none left. */
class Waiting {
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #ended = new AbortController();
  #leftMs: number;

  constructor(clock: Clock, timeoutMs: number, signal: AbortSignal | undefined) {
    this.#clock = clock;
    this.#leftMs = timeoutMs;
    this.#signal = signal;
  }

  /** @throws FetchRefused, also where the other side broke off; or the caller's own reason to abort. */
  async for<Result>(ask: (aborted: AbortSignal) => Promise<Result>): Promise<Result> {
    this.#signal?.throwIfAborted();
    const since = this.#clock.elapsed();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => this.#ended.abort(this.#signal?.reason);
    const onEnd = (): void => aborted.reject(this.#ended.signal.reason as Error);
    this.#signal?.addEventListener('abort', onAbort);
    this.#ended.signal.addEventListener('abort', onEnd);
    const cancel = this.#clock.after(this.#leftMs, () =>
      this.#ended.abort(new FetchRefused('file_url_timeout', { isTransient: true })),
    );
    try {
      return await Promise.race([ask(this.#ended.signal), aborted.promise]);
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (this.#ended.signal.aborted) throw this.#ended.signal.reason;
      throw new FetchRefused('file_url_unreachable', { isTransient: true, cause: error });
    } finally {
      cancel();
      this.#leftMs -= this.#clock.elapsed() - since;
      this.#signal?.removeEventListener('abort', onAbort);
      this.#ended.signal.removeEventListener('abort', onEnd);
    }
  }

  end(): void {
    this.#ended.abort(new Error('The fetch has ended.'));
  }
}

async function* chunksOf(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  wait: Waiting,
): AsyncGenerator<Uint8Array> {
  const chunks = body[Symbol.asyncIterator]();
  let bytes = 0;
  for (;;) {
    const { done, value } = await wait.for(() => chunks.next());
    if (done === true) return;
    bytes += value.length;
    if (bytes > maxBytes) throw new FetchRefused('file_url_too_large');
    yield value;
  }
}

function checkedUrl(link: string, base?: URL): URL {
  const url = URL.parse(link, base?.href);
  const isHttp = url !== null && ['http:', 'https:'].includes(url.protocol);
  if (!isHttp || url.username !== '' || url.password !== '') throw new FetchRefused('file_url_invalid');
  return url;
}

function redirectedTo(from: URL, location: string | string[] | undefined): URL {
  if (typeof location !== 'string') throw new FetchRefused('file_url_redirects');
  return checkedUrl(location, from);
}

function checkStatus(status: number): void {
  if (status === 200) return;
  const isTransient = status >= 500 || status === 429 || status === 408;
  throw new FetchRefused('file_url_status', { detail: `It answers HTTP ${status}.`, isTransient });
}

function filenameOf({ pathname }: URL): string {
  const last = pathname.split('/').at(-1) ?? '';
  const name = last.includes('%') ? (decoded(last) ?? last) : last;
  return name === '' ? 'file' : name;
}

function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
