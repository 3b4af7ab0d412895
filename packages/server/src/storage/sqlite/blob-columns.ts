import type { BlobRef } from '../ports/blobs.ts';
import { BlobNotWritten } from '../ports/file-records.ts';
import { run, type StoreContext } from './store-context.ts';

/** A blob as the columns of `file_part`, `file_cuts` and `shard_part`. */
export interface BlobColumns {
  readonly length: number;
  readonly blob_name: string | null;
  readonly blob_offset: number | null;
  readonly checksum: string | null;
  readonly bytes: Buffer | null;
}

/** Values for `length, blob_name, blob_offset, checksum, bytes`, in this order. */
export function blobValues(blob: BlobRef): unknown[] {
  return blob.kind === 'inline'
    ? [blob.bytes.length, null, null, null, blob.bytes]
    : [blob.length, blob.name, blob.offset, blob.checksum, null];
}

export function blobFrom(row: BlobColumns): BlobRef {
  return row.blob_name === null
    ? { kind: 'inline', bytes: row.bytes ?? Buffer.alloc(0) }
    : {
        kind: 'object',
        name: row.blob_name,
        offset: row.blob_offset ?? 0,
        length: row.length,
        checksum: row.checksum ?? '',
      };
}

export function blobLength(blob: BlobRef): number {
  return blob.kind === 'inline' ? blob.bytes.length : blob.length;
}

/**
 * Makes `owner` the owner of a blob that `session` has written, or that it owns already.
 * @throws BlobNotWritten, which undoes the transaction, if the name is neither: collection may have its bytes by now.
 */
export function ownBlob(context: StoreContext, blob: BlobRef, session: string, owner: string): void {
  if (blob.kind === 'inline') return;
  const owned = run(
    context,
    `UPDATE blob_name SET state = 'owned', owner = :owner, changed_at = :now
     WHERE name = :name AND (state = 'writing' AND owner = :session OR state = 'owned' AND owner = :owner)`,
    { name: blob.name, session, owner, now: context.now() },
  );
  if (owned === 0) throw new BlobNotWritten(`Blob ${blob.name} is not written by session ${session}.`);
}

/** Gives everything that `owner` owns to collection. */
export function releaseOwned(context: StoreContext, owner: string): void {
  run(
    context,
    `UPDATE blob_name SET state = 'released', changed_at = ? WHERE owner = ? AND state = 'owned'`,
    context.now(),
    owner,
  );
}
