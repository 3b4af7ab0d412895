/**
 * Immutable bytes. A blob is written once under a fresh name, made durable, and only then named by a database
 * transaction (see `BlobNames`). Its bytes never change afterwards; only collection removes them.
 */
export interface BlobStore {
  /**
   * Begins an object. The name must come from `BlobNames.reserveBlobs`, so that a crash before the naming
   * transaction leaves a row by which collection finds the bytes.
   */
  create(name: string): Promise<BlobWriter>;

  /**
   * Streams bytes `start` (inclusive) to `end` (exclusive) in order, in chunks of at most 256 KiB.
   * @throws BlobMissingError if the object is not there or is shorter than `end`.
   */
  read(name: string, start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /** Removes the bytes. Removing what is not there succeeds. Until `syncRemovals` a power cut may bring them back. */
  remove(name: string): Promise<void>;

  /** Makes what was removed before the call durable. After a rejection nothing is known: remove it again. */
  syncRemovals(): Promise<void>;

  /** Bytes still free, or null where the store has no such notion. */
  freeBytes(): Promise<number | null>;
}

export interface BlobWriter {
  /** Appends. Back-pressure is the returned promise; the caller keeps the chunk unchanged until it settles. */
  write(chunk: Uint8Array): Promise<void>;

  /**
   * Makes the whole object durable under its name: write, fsync file, rename, fsync folder.
   * When it resolves, the bytes survive power loss. When it rejects, the object does not exist for readers
   * and the writer must be abandoned; a failed fsync is never retried.
   */
  finish(): Promise<FinishedBlob>;

  /** Drops what was written. Idempotent, never rejects, no-op after `finish`. */
  abandon(): Promise<void>;
}

export interface FinishedBlob {
  readonly name: string;
  readonly length: number;
  /** Lower-case hex CRC-32 of the bytes (`zlib.crc32`), for `doctor` and for reads that doubt. */
  readonly checksum: string;
}

/** The largest blob whose bytes lie in the database instead of an object: 64 KiB. */
export const INLINE_BLOB_BYTES = 64 * 1024;

/** Bytes as the database names them: an object's range, or the bytes themselves when at most `INLINE_BLOB_BYTES`. */
export type BlobRef = ObjectRange | { readonly kind: 'inline'; readonly bytes: Uint8Array };

/** Some bytes of a blob, whose checksum nobody need know. */
export type BlobSlice = BlobRef | Omit<ObjectRange, 'checksum'>;

export interface ObjectRange {
  readonly kind: 'object';
  readonly name: string;
  readonly offset: number;
  readonly length: number;
  /** Of the range, as `FinishedBlob.checksum`. */
  readonly checksum: string;
}

/** The named bytes are gone or short. Never a user's fault: something removed them behind Bora's back. */
export class BlobMissingError extends Error {
  override readonly name = 'BlobMissingError';
  readonly blob: string;

  constructor(blob: string, options?: ErrorOptions) {
    super(
      `Blob ${blob} is missing or shorter than recorded. Was a file removed from the data folder?`,
      options,
    );
    this.blob = blob;
  }
}
