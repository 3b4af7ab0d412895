import { createHash } from 'node:crypto';

const MARK = 'bora-';
/** Enough of a key to tell keys apart, far too little to guess the rest. */
const PREFIX_LENGTH = MARK.length + 6;

export interface FreshKey {
  /** To be shown once; Bora keeps only its hash. */
  readonly key: string;
  readonly hash: string;
  readonly prefix: string;
}

/** A new API key: `bora-` and 32 random bytes in base64url. */
export function makeApiKey(randomBytes: (count: number) => Uint8Array): FreshKey {
  const key = MARK + Buffer.from(randomBytes(32)).toString('base64url');
  return { key, hash: hashOfKey(key), prefix: key.slice(0, PREFIX_LENGTH) };
}

/**
 * Lower-case hex SHA-256, by which a key is stored and found. A plain fast hash suffices because keys are 256 random bits, not
 * words that someone could try one after the other.
 */
export function hashOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
