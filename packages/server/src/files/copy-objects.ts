import type { BlobStore } from '../storage/ports/blobs.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import type { StoredObjects } from '../storage/ports/inspection.ts';

export interface CopyOptions {
  /** Told after each object: how many of `total` are there, copied now or earlier. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface CopyReport {
  readonly objects: number;
  /** Of them, those that were not there yet. */
  readonly copied: number;
  readonly copiedBytes: number;
}

/** Where objects are copied to; nobody else writes there. */
export interface CopyTarget {
  readonly blobs: Pick<BlobStore, 'create'>;
  readonly objects: StoredObjects;
}

/**
 * Copies the objects of these names to where they are not yet, each durable before the next. An object never changes once it has its
 * name, so one that is there is right, and a copy that was broken off goes on where it was.
 * @throws DatabaseRefused `backup_incomplete` if some are gone, when all others are copied
 */
export async function copyObjects(
  names: readonly string[],
  from: StoredObjects,
  to: CopyTarget,
  { onProgress = () => {} }: CopyOptions,
  signal?: AbortSignal,
): Promise<CopyReport> {
  const there = new Set<string>();
  for await (const { name } of to.objects.list()) if (name !== null) there.add(name);
  let copied = 0;
  let copiedBytes = 0;
  let gone = 0;
  for (const [place, name] of names.entries()) {
    signal?.throwIfAborted();
    if (!there.has(name)) {
      const size = await from.size(name);
      if (size === null) gone += 1;
      else {
        await copyObject(name, size, from, to.blobs, signal);
        copied += 1;
        copiedBytes += size;
      }
    }
    onProgress(place + 1, names.length);
  }
  if (gone > 0) throw incomplete(gone);
  return { objects: names.length, copied, copiedBytes };
}

/** Removes the objects that these names do not name. */
export async function removeOtherObjects(names: readonly string[], objects: StoredObjects): Promise<void> {
  const kept = new Set(names);
  for await (const { path, name } of objects.list()) {
    if (name === null || !kept.has(name)) await objects.remove(path);
  }
}

async function copyObject(
  name: string,
  size: number,
  from: StoredObjects,
  to: Pick<BlobStore, 'create'>,
  signal?: AbortSignal,
): Promise<void> {
  const writer = await to.create(name);
  try {
    for await (const chunk of from.read(name, 0, size, signal)) await writer.write(chunk);
    await writer.finish();
  } finally {
    await writer.abandon();
  }
}

function incomplete(gone: number): DatabaseRefused {
  return new DatabaseRefused(
    'backup_incomplete',
    `${gone} objects that the database names are not in the data folder. Bytes of what is deleted stay for an hour; if the copy took ` +
      'longer, run it again: what was copied stays, and so does the earlier back-up. If it did not, look with bora doctor --data.',
  );
}
