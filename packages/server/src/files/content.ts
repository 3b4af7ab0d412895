import type { BlobStore } from '../storage/ports/blobs.ts';
import type { FileRecords } from '../storage/ports/file-records.ts';

/** Parts of a manifest read in one transaction: 64 result blobs of a batch are all of them. */
const PARTS_PER_PAGE = 64;

export interface ContentDependencies {
  readonly database: Pick<FileRecords, 'readManifest'>;
  readonly blobs: Pick<BlobStore, 'read'>;
}

/** The file's manifest ends before the range does: the file was purged meanwhile, or the caller has its size wrong. */
export class FileContentMissing extends Error {
  override readonly name = 'FileContentMissing';

  constructor(fileId: string, offset: number) {
    super(`File ${fileId} has no content at byte ${offset}. Was it deleted while it was read?`);
  }
}

/**
 * Streams bytes `start` (inclusive) to `end` (exclusive) of a file, in order, in chunks of at most 256 KiB. Holds one page
 * of the manifest and one chunk in memory; no transaction stays open between two chunks.
 * @throws FileContentMissing
 * @throws BlobMissingError
 */
export async function* readFileRange(
  { database, blobs }: ContentDependencies,
  fileId: string,
  start: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let position = start;
  while (position < end) {
    signal?.throwIfAborted();
    const pageStart = position;
    for (const part of await database.readManifest(fileId, position, PARTS_PER_PAGE)) {
      const from = position - part.start;
      const to = Math.min(end - part.start, part.length);
      if (from >= to) continue;
      if (part.blob.kind === 'inline') yield part.blob.bytes.subarray(from, to);
      else yield* blobs.read(part.blob.name, part.blob.offset + from, part.blob.offset + to, signal);
      position = part.start + to;
      signal?.throwIfAborted();
    }
    if (position === pageStart) throw new FileContentMissing(fileId, position);
  }
}
