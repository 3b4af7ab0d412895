import type { Disk } from '../ports/disk.ts';
import { DiskError } from '../ports/disk.ts';
import type { StoredObjects } from '../ports/inspection.ts';
import { FOLDERS, openObject, pathsOf, readObject } from './disk-blob-store.ts';

/** The objects of a disk that nobody writes meanwhile; see disk-blob-store.ts for where they lie. */
export class DiskObjects implements StoredObjects {
  readonly #disk: Disk;

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async *list(): AsyncGenerator<{ path: string; name: string | null }> {
    for (const folder of FOLDERS) {
      for (const name of await this.#entries(`objects/${folder}`)) {
        const path = `objects/${folder}/${name}`;
        yield { path, name: isPlaceOf(name, path) ? name : null };
      }
    }
  }

  async size(name: string): Promise<number | null> {
    const reader = await openObject(this.#disk, name);
    await reader?.close();
    return reader?.size ?? null;
  }

  read(name: string, start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return readObject(this.#disk, name, start, end, signal);
  }

  remove(path: string): Promise<void> {
    return this.#disk.remove(path);
  }

  async #entries(folder: string): Promise<string[]> {
    try {
      return await this.#disk.list(folder);
    } catch (error) {
      if (error instanceof DiskError && error.code === 'ENOENT') return [];
      throw error;
    }
  }
}

function isPlaceOf(name: string, path: string): boolean {
  try {
    return pathsOf(name).object === path;
  } catch {
    return false;
  }
}
