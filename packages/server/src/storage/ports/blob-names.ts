import type { BlobRef } from './blobs.ts';

/**
 * The life of a blob's name: `writing` (owned by a session) → `owned` (by a journal row, a shard, an upload or a file)
 * → `released` → forgotten. A blob has one owner at a time. The transaction that names a blob in a record turns
 * `writing` into `owned` and fails if the row is not there, so bytes can never be referenced that collection
 * was already entitled to delete.
 */
export interface BlobNames {
  /**
   * Makes `count` fresh names in state `writing(session)`. They must exist before the first byte is written.
   * Reserve several at once: a name costs a row, a call costs an fsync.
   * Rejects with `BlobNotWritten` if the session was closed or declared dead.
   */
  reserveBlobs(session: string, count: number): Promise<string[]>;

  /** Gives up names that this session still writes. Names in any other state are left alone. */
  releaseBlobs(session: string, names: readonly string[]): Promise<void>;

  /**
   * Names whose bytes may be deleted: released at least `graceMs` ago and not yet erased, or erased at least
   * `graceMs` ago (bytes of a slow writer may have appeared since, so they are deleted a second time).
   * Longest waiting first, behind `after` if it is given: so a caller gets past those that it cannot remove.
   */
  collectableBlobs(graceMs: number, limit: number, after?: CollectableBlob): Promise<CollectableBlob[]>;

  /** After the bytes are deleted: a first-time name is marked erased, a second-time name's row is dropped. */
  markErased(blobs: readonly CollectableBlob[]): Promise<void>;
}

export interface CollectableBlob {
  readonly name: string;
  readonly pass: 'first' | 'second';
  /** When it was released or erased. */
  readonly since: number;
}

/** A blob as a part of a file: `start` is its first byte's offset in the file. */
export interface ManifestPart {
  readonly start: number;
  readonly length: number;
  readonly blob: BlobRef;
}
