import { createHash, randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../observe/clock.ts';
import { ApiError } from './errors.ts';

/** SDKs try twice more within seconds; a client that comes later means another object. */
const REMEMBERED_MS = 10 * 60 * 1000;
/** At some 100 bytes each. */
const MOST_REMEMBERED = 1_000;
const MAX_KEY_LENGTH = 255;

/**
 * Creates that a client sends again because it missed the answer. SDKs of OpenAI's do so on their own, without a key that would tell, but
 * say that it is another try (`X-Stainless-Retry-Count`, measured). So an object is remembered whose answer could not be delivered, and
 * the next try of the same create is answered with it, once. An equal create that is no other try, or whose answer was delivered, makes an
 * object of its own. Nothing is remembered over a restart: the client has two objects then.
 */
export class RepeatedCreates {
  readonly #clock: Clock;
  readonly #undelivered = new Map<string, { readonly id: string; readonly at: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The id of the object that an earlier try of this call made; null if there is none. `what` is all that tells one create from another. */
  take(request: FastifyRequest, what: readonly unknown[]): string | null {
    if (!(Number(request.headers['x-stainless-retry-count']) > 0)) return null;
    const name = nameOf(request, what);
    const made = this.#undelivered.get(name);
    this.#undelivered.delete(name);
    return made !== undefined && this.#clock.now() - made.at < REMEMBERED_MS ? made.id : null;
  }

  /** Remembers the object that the call has made if its answer cannot be delivered. */
  watch(request: FastifyRequest, { raw }: FastifyReply, what: readonly unknown[], id: string): void {
    const remember = (): void => {
      if (raw.writableFinished) return;
      const [oldest] = this.#undelivered.keys();
      if (this.#undelivered.size >= MOST_REMEMBERED) this.#undelivered.delete(oldest);
      this.#undelivered.set(nameOf(request, what), { id, at: this.#clock.now() });
    };
    // The client may have gone while the object was made.
    if (raw.destroyed) remember();
    else raw.once('close', remember);
  }
}

function nameOf({ caller, routeOptions }: FastifyRequest, what: readonly unknown[]): string {
  return digest([routeOptions.url, caller.workspaceId, caller.creator, what]);
}

/**
 * A UUID for the object that a call makes: with an `Idempotency-Key` the same for each call of the caller to this route with this key,
 * so that the database tells what is there already; else one of its own.
 * @throws ApiError for a key that is empty or too long
 */
export function createdIdOf({ headers, caller, routeOptions }: FastifyRequest): string {
  const key = headers['idempotency-key'];
  if (key === undefined) return randomUUID();
  if (key.length === 0 || key.length > MAX_KEY_LENGTH) {
    throw new ApiError(
      'invalid_request',
      `An Idempotency-Key has 1 to ${MAX_KEY_LENGTH} characters, but this one has ${key.length}.`,
      {},
      {},
      { param: 'Idempotency-Key', code: 'invalid_value' },
    );
  }
  const hex = digest(['key', routeOptions.url, caller.workspaceId, caller.creator, key]);
  // Version 8: a UUID whose bits are its maker's own (RFC 9562).
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The key was given to another create before. */
export function keyReused(): ApiError {
  return new ApiError(
    'key_reused',
    'This Idempotency-Key was sent with another create before. Send each create with a key of its own.',
    {},
    {},
    { param: 'Idempotency-Key' },
  );
}

function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
