import { crc32 } from 'node:zlib';
import type { BlobStore, BlobWriter } from '../ports/blobs.ts';
import { BlobMissingError } from '../ports/blobs.ts';
import type { Disk, DiskReader } from '../ports/disk.ts';
import { DiskError } from '../ports/disk.ts';
import type { BlobPaths } from './disk-blob-writer.ts';
import { DiskBlobWriter } from './disk-blob-writer.ts';
import { FreeSpaceFloor } from './free-space-floor.ts';

/** Largest chunk that `read` yields. */
const READ_BYTES = 256 * 1024;
/** Of the objects, by the first byte of a checksum. */
export const FOLDERS = Array.from({ length: 256 }, (_, number) => number.toString(16).padStart(2, '0'));

export interface DiskBlobStoreOptions {
  /** Below this many free bytes `create` and `write` reject with `ENOSPC`. Default 64 MiB. */
  readonly minFreeBytes?: number;
}

/**
 * Opens blobs on a disk: finished ones at `objects/<2 hex>/<name>`, unfinished ones at `writing/<name>`. Removes what
 * an earlier process left unfinished; nobody else may use the folder meanwhile (the database holds its lock).
 */
export async function openDiskBlobStore(disk: Disk, options: DiskBlobStoreOptions = {}): Promise<BlobStore> {
  await disk.makeFolder('writing');
  await disk.makeFolder('objects');
  const present = new Set(await disk.list('objects'));
  await Promise.all(
    FOLDERS.filter((name) => !present.has(name)).map((name) => disk.makeFolder(`objects/${name}`)),
  );
  // At every start: a process that died between making the folders and this left them there, but not durable.
  await disk.syncFolder('objects');
  await disk.syncFolder('.');
  const leftovers = await disk.list('writing');
  await Promise.all(leftovers.map((name) => disk.remove(`writing/${name}`)));
  return new DiskBlobStore(disk, new FreeSpaceFloor(disk, options.minFreeBytes ?? 64 * 1024 * 1024));
}

class DiskBlobStore implements BlobStore {
  readonly #disk: Disk;
  readonly #floor: FreeSpaceFloor;
  readonly #removedFrom = new Set<string>();

  constructor(disk: Disk, floor: FreeSpaceFloor) {
    this.#disk = disk;
    this.#floor = floor;
  }

  async create(name: string): Promise<BlobWriter> {
    const paths = pathsOf(name);
    await this.#floor.measure(paths.writing);
    return new DiskBlobWriter(this.#disk, this.#floor, name, paths, await this.#disk.create(paths.writing));
  }

  read(name: string, start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readObject(this.#disk, name, start, end, signal);
  }

  /** Removes the unfinished bytes too: a writer whose session is dead then fails at its rename instead of leaving an object. */
  async remove(name: string): Promise<void> {
    const { writing, folder, object } = pathsOf(name);
    this.#removedFrom.add(folder);
    await this.#disk.remove(writing);
    await this.#disk.remove(object);
  }

  async syncRemovals(): Promise<void> {
    const folders = [...this.#removedFrom];
    this.#removedFrom.clear();
    for (const folder of folders) await this.#disk.syncFolder(folder);
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
  }
}

/** As `BlobStore.read`. */
export async function* readObject(
  disk: Pick<Disk, 'open'>,
  name: string,
  start: number,
  end: number,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const reader = await openObject(disk, name);
  if (reader === null) throw new BlobMissingError(name);
  try {
    if (reader.size < end) throw new BlobMissingError(name);
    for (let position = start; position < end;) {
      const chunk = await reader.read(position, Math.min(READ_BYTES, end - position));
      signal?.throwIfAborted();
      if (chunk.byteLength === 0) throw new BlobMissingError(name);
      position += chunk.byteLength;
      yield chunk;
    }
  } finally {
    await reader.close();
  }
}

/** Null if there is no such object. */
export async function openObject(disk: Pick<Disk, 'open'>, name: string): Promise<DiskReader | null> {
  try {
    return await disk.open(pathsOf(name).object);
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Where a name's bytes lie. The folder comes from a checksum, so that names of any shape spread evenly. */
export function pathsOf(name: string): BlobPaths {
  if (!/^[\w-]+$/.test(name)) throw new DiskError('EINVAL', name, 'blob');
  const folder = `objects/${FOLDERS[crc32(name) & 0xff]}`;
  return { writing: `writing/${name}`, folder, object: `${folder}/${name}` };
}
