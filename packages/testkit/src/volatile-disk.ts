import { namesOf } from '@bora/server/storage/disk/disk-path';
import type { Disk, DiskReader, DiskWriter } from '@bora/server/storage/ports/disk';
import { DiskError } from '@bora/server/storage/ports/disk';
import { VolatileFile } from './volatile-file.ts';

const STAGING = '.unsynced';

/**
 * Makes `kill -9` of a real process lose what a power cut would: bytes stay in this process until `sync`, names until
 * `syncFolder`, and only then reach `disk`. The process itself sees everything at once. Folders it makes are real at once.
 */
export async function openVolatileDisk(disk: Disk): Promise<Disk> {
  await disk.makeFolder(STAGING);
  for (const name of await disk.list(STAGING)) await disk.remove(`${STAGING}/${name}`);
  return new VolatileDisk(disk);
}

class VolatileDisk implements Disk {
  readonly #disk: Disk;
  /** By folder, the names whose meaning is not the disk's yet; null: the name is gone. */
  readonly #unsynced = new Map<string, Map<string, VolatileFile | null>>();
  /** Files known to this process under the path that the disk has for them. */
  readonly #named = new Map<string, VolatileFile>();
  #staged = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  create(path: string): Promise<DiskWriter> {
    return this.#inTurn(async () => {
      const { folder, name } = split(path, 'create');
      if ((await this.#list(folder)).has(name)) throw new DiskError('EEXIST', path, 'create');
      const staging = this.#stagingPath();
      const real = await this.#disk.create(staging);
      const file = new VolatileFile(this.#disk, staging, 0);
      this.#rename(path, file);
      return file.writer(real, path);
    });
  }

  open(path: string): Promise<DiskReader> {
    return this.#inTurn(async () => {
      const file = this.#find(path, 'open');
      if (file === null) throw new DiskError('ENOENT', path, 'open');
      return file === undefined ? this.#disk.open(path) : file.reader();
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inTurn(async () => {
      split(to, 'rename');
      const file = this.#find(from, 'rename') ?? (await this.#adopt(from));
      const replaced = this.#find(to, 'rename');
      this.#rename(from, null);
      this.#rename(to, file);
      await this.#forget(to, replaced);
    });
  }

  remove(path: string): Promise<void> {
    return this.#inTurn(async () => {
      const file = this.#find(path, 'remove');
      this.#rename(path, null);
      await this.#forget(path, file);
    });
  }

  makeFolder(path: string): Promise<void> {
    return this.#disk.makeFolder(path);
  }

  syncFolder(path: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const [name, file] of this.#unsynced.get(path) ?? []) {
        const target = path === '.' ? name : `${path}/${name}`;
        const before = this.#named.get(target);
        this.#named.delete(target);
        if (before?.path === target && before !== file) await before.moveTo(this.#stagingPath());
        if (file === null) await this.#disk.remove(target);
        else {
          await file.moveTo(target);
          this.#named.set(target, file);
        }
      }
      this.#unsynced.delete(path);
      await this.#disk.syncFolder(path);
    });
  }

  list(path: string): Promise<string[]> {
    return this.#inTurn(async () => [...(await this.#list(path))]);
  }

  freeBytes(): Promise<number> {
    return this.#disk.freeBytes();
  }

  /** One after the other: a name must not be looked up while its file moves on the real disk. */
  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** Undefined: the disk knows best. */
  #find(path: string, operation: string): VolatileFile | null | undefined {
    const { folder, name } = split(path, operation);
    const unsynced = this.#unsynced.get(folder)?.get(name);
    return unsynced === undefined ? this.#named.get(path) : unsynced;
  }

  /** Takes over a file of an earlier process, which is about to get another name. */
  async #adopt(path: string): Promise<VolatileFile> {
    if (this.#find(path, 'rename') === null) throw new DiskError('ENOENT', path, 'rename');
    const reader = await this.#disk.open(path);
    await reader.close();
    const file = new VolatileFile(this.#disk, path, reader.size);
    this.#named.set(path, file);
    return file;
  }

  /** A file without a name any more, whose durable name, if it has one, goes at the next sync. */
  async #forget(path: string, file: VolatileFile | null | undefined): Promise<void> {
    if (!file) return;
    this.#named.delete(path);
    await file.removeFrom(STAGING);
  }

  #rename(path: string, file: VolatileFile | null): void {
    const { folder, name } = split(path, 'rename');
    const names = this.#unsynced.get(folder) ?? new Map<string, VolatileFile | null>();
    this.#unsynced.set(folder, names.set(name, file));
  }

  async #list(path: string): Promise<Set<string>> {
    const names = new Set(await this.#disk.list(path));
    if (path === '.') names.delete(STAGING);
    for (const [name, file] of this.#unsynced.get(path) ?? []) {
      if (file === null) names.delete(name);
      else names.add(name);
    }
    return names;
  }

  #stagingPath(): string {
    return `${STAGING}/${this.#staged++}`;
  }
}

function split(path: string, operation: string): { folder: string; name: string } {
  const names = namesOf(path, operation);
  const name = names.pop();
  if (name === undefined) throw new DiskError('EISDIR', path, operation);
  return { folder: names.join('/') || '.', name };
}
