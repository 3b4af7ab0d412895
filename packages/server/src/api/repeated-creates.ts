import { createHash, randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { askedTwice } from './asked-twice.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError } from './errors.ts';

const MAX_KEY_LENGTH = 255;

/**
 * Tells a create from every other: by its route, its caller and `what` it asks for. Two that are the same may still be meant to make
 * an object each.
 */
export function digestOf({ caller, routeOptions }: FastifyRequest, what: readonly unknown[]): string {
  return digest([routeOptions.url, caller.workspaceId, caller.creator, what]);
}

/**
 * The object that an earlier try of this call made and whose answer could not be delivered; null if there is none. SDKs of OpenAI's try
 * again on their own, without a key that would tell, but say that it is another try (`X-Stainless-Retry-Count`, measured). An equal create
 * that is no other try, or whose answer was delivered, makes an object of its own.
 */
export async function undeliveredOf(
  { database }: Pick<ApiDependencies, 'database'>,
  { headers }: FastifyRequest,
  createdAs: string,
): Promise<string | null> {
  if (!(Number(headers['x-stainless-retry-count']) > 0)) return null;
  const call = randomUUID();
  return askedTwice(() => database.takeUndelivered(createdAs, call));
}

/** Notes the object that the call has made if its answer cannot be delivered. */
export function watchDelivery(
  { database, log }: Pick<ApiDependencies, 'database' | 'log'>,
  { raw }: FastifyReply,
  createdAs: string,
  objectId: string,
): void {
  const note = (): void => {
    if (raw.writableFinished) return;
    database.recordUndelivered({ call: randomUUID(), createdAs, objectId }).catch((error: unknown) => {
      log.warn({ object: objectId, err: error }, 'a client that tries again will not find what it made');
    });
  };
  // The client may have gone while the object was made.
  if (raw.destroyed) note();
  else raw.once('close', note);
}

/** Ends a create in its middle: what it would make was made before. */
export class MadeBefore<Made> extends Error {
  override readonly name = 'MadeBefore';
  readonly made: Made;

  constructor(made: Made) {
    super('The object was made by an equal create before.');
    this.made = made;
  }
}

/** The id of the object that belongs to the call's `Idempotency-Key`; null without one. @throws ApiError for a key that is empty or too long */
export function keyedIdOf({ headers, caller, routeOptions }: FastifyRequest): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
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
  return refusedKey(
    'key_reused',
    'This Idempotency-Key was sent with another create before. Send each create with a key of its own.',
  );
}

/** What the key made is deleted or expired. It is not made again: who deleted it meant all of its creates. */
export function keySpent(): ApiError {
  return refusedKey(
    'key_spent',
    'What this Idempotency-Key made has been deleted or has expired. Send the create with another key to make it once more.',
  );
}

function refusedKey(code: 'key_reused' | 'key_spent', message: string): ApiError {
  return new ApiError(code, message, {}, {}, { param: 'Idempotency-Key' });
}

function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
