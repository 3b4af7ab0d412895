import { namesOf } from '@bora/server/storage/disk/disk-path';
import type { Disk, DiskReader, DiskWriter } from '@bora/server/storage/ports/disk';
import { DiskError } from '@bora/server/storage/ports/disk';
import type { Unsynced } from './simulated-file.ts';
import { SimulatedFile } from './simulated-file.ts';
import { SimulatedFolder } from './simulated-folder.ts';

export type DiskOperation =
  | 'create'
  | 'write'
  | 'sync'
  | 'rename'
  | 'remove'
  | 'makeFolder'
  | 'syncFolder'
  | 'open'
  | 'read'
  | 'list'
  | 'freeBytes';

export interface DiskFault {
  /** Which operations count; absent: those that change something. */
  readonly operation?: DiskOperation;
  /** The n-th of them from now on fails, from 1. */
  readonly nth: number;
  /** Errno name. */
  readonly code: string;
}

export interface PowerCut {
  /** What becomes of bytes written but not synced. Default `dropped`. */
  readonly bytes?: Unsynced;
  /** What becomes of names created, renamed or removed but not synced. Default `dropped`. */
  readonly names?: Unsynced;
}

const CHANGES: ReadonlySet<DiskOperation> = new Set([
  'create',
  'write',
  'sync',
  'rename',
  'remove',
  'makeFolder',
  'syncFolder',
]);

/**
 * A disk in memory that keeps only the promises of the port: until `sync` bytes, until `syncFolder` names, may be gone
 * after `crash`. Faults and power cuts are planted by operation count, so a test can visit every place of a sequence.
 */
export class SimulatedDisk implements Disk {
  readonly #random: () => number;
  readonly #root = new SimulatedFolder();
  readonly #log: { readonly operation: DiskOperation; readonly path: string }[] = [];
  #faults: { fault: DiskFault; left: number }[] = [];
  #changesUntilCut = Number.POSITIVE_INFINITY;
  #onCut: (operation: DiskOperation) => void = () => {};
  #capacity: number;
  #boot = 0;
  readonly #openHandles = new Set<object>();

  /** `random` decides what a torn crash leaves; `capacity` is in bytes of file content. */
  constructor(options: { readonly capacity?: number; readonly random?: () => number } = {}) {
    this.#capacity = options.capacity ?? 1024 ** 4;
    this.#random = options.random ?? (() => 0.5);
  }

  /** Every operation so far, failed ones included. */
  get log(): readonly { readonly operation: DiskOperation; readonly path: string }[] {
    return this.#log;
  }

  /** How many operations that change something there were, by which faults and cuts are placed. */
  get changes(): number {
    return this.#log.filter(({ operation }) => CHANGES.has(operation)).length;
  }

  /** Readers and writers that nobody closed, whatever became of their files. */
  get openHandles(): number {
    return this.#openHandles.size;
  }

  setCapacity(bytes: number): void {
    this.#capacity = bytes;
  }

  injectFault(fault: DiskFault): void {
    this.#faults.push({ fault, left: fault.nth });
  }

  /**
   * The power goes before the n-th change from now (from 1): it and everything after it rejects until `crash`. `onCut` is told at
   * that moment what was about to happen.
   */
  cutPowerBefore(nth: number, onCut: (operation: DiskOperation) => void = () => {}): void {
    this.#changesUntilCut = nth;
    this.#onCut = onCut;
  }

  /** Power off and on: applies the cut, forgets planted faults; open handles are dead. */
  crash(cut: PowerCut = {}): void {
    this.#boot += 1;
    this.#faults = [];
    this.#changesUntilCut = Number.POSITIVE_INFINITY;
    this.#root.crash(cut.names ?? 'dropped', cut.bytes ?? 'dropped', this.#random);
  }

  async create(path: string): Promise<DiskWriter> {
    this.#begin('create', path);
    const { folder, name } = this.#place(path, 'create');
    if (folder.find(name) !== undefined) throw new DiskError('EEXIST', path, 'create');
    const file = new SimulatedFile();
    folder.change([[name, file]]);
    return this.#writer(file, path);
  }

  async open(path: string): Promise<DiskReader> {
    this.#begin('open', path);
    const content = this.#file(path, 'open').content();
    const begin = this.#handle('read', path);
    const handle = this.#track();
    return {
      size: content.byteLength,
      read: async (position, length) => {
        begin();
        return content.slice(position, position + length);
      },
      close: async () => {
        this.#openHandles.delete(handle);
      },
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#begin('rename', from);
    const source = this.#place(from, 'rename');
    const target = this.#place(to, 'rename');
    const file = this.#file(from, 'rename');
    if (target.folder.find(target.name) instanceof SimulatedFolder) {
      throw new DiskError('EISDIR', to, 'rename');
    }
    if (source.folder === target.folder) {
      source.folder.change([
        [source.name, null],
        [target.name, file],
      ]);
      return;
    }
    target.folder.change([[target.name, file]]);
    source.folder.change([[source.name, null]]);
  }

  async remove(path: string): Promise<void> {
    this.#begin('remove', path);
    const { folder, name } = this.#place(path, 'remove');
    if (folder.find(name) instanceof SimulatedFolder) throw new DiskError('EISDIR', path, 'remove');
    if (folder.find(name) !== undefined) folder.change([[name, null]]);
  }

  async makeFolder(path: string): Promise<void> {
    this.#begin('makeFolder', path);
    let folder = this.#root;
    for (const name of namesOf(path, 'makeFolder')) {
      const found = folder.find(name);
      if (found instanceof SimulatedFile) throw new DiskError('ENOTDIR', path, 'makeFolder');
      const next = found ?? new SimulatedFolder();
      if (found === undefined) folder.change([[name, next]]);
      folder = next;
    }
  }

  async syncFolder(path: string): Promise<void> {
    const folder = this.#folder(path, 'syncFolder');
    this.#begin('syncFolder', path, () => folder.failSync());
    folder.sync();
  }

  async list(path: string): Promise<string[]> {
    this.#begin('list', path);
    return this.#folder(path, 'list').names();
  }

  async freeBytes(): Promise<number> {
    this.#begin('freeBytes', '.');
    return Math.max(0, this.#capacity - this.#root.size());
  }

  #writer(file: SimulatedFile, path: string): DiskWriter {
    const beginWrite = this.#handle('write', path);
    const beginSync = this.#handle('sync', path, () => file.failSync());
    const handle = this.#track();
    const assertOpen = (operation: string): void => {
      if (!this.#openHandles.has(handle)) throw new DiskError('EBADF', path, operation);
    };
    return {
      write: async (chunk) => {
        assertOpen('write');
        beginWrite();
        const room = this.#capacity - this.#root.size();
        // Not slice(), which on a Buffer makes a view of what the writer may use again.
        file.append(new Uint8Array(chunk.subarray(0, Math.max(0, room))));
        if (room < chunk.byteLength) throw new DiskError('ENOSPC', path, 'write');
      },
      sync: async () => {
        assertOpen('sync');
        beginSync();
        file.sync();
      },
      close: async () => {
        this.#openHandles.delete(handle);
      },
    };
  }

  #track(): object {
    const handle = {};
    this.#openHandles.add(handle);
    return handle;
  }

  /** Operations through a handle fail once the disk has crashed since the handle was opened. */
  #handle(operation: DiskOperation, path: string, onFault?: () => void): () => void {
    const boot = this.#boot;
    return () => {
      if (boot !== this.#boot) throw new DiskError('EBADF', path, operation);
      this.#begin(operation, path, onFault);
    };
  }

  #begin(operation: DiskOperation, path: string, onFault?: () => void): void {
    namesOf(path, operation);
    this.#log.push({ operation, path });
    if (CHANGES.has(operation) && --this.#changesUntilCut === 0) this.#onCut(operation);
    if (this.#changesUntilCut <= 0) throw new DiskError('ENODEV', path, operation);
    for (const planted of this.#faults) {
      const counts =
        planted.fault.operation === undefined
          ? CHANGES.has(operation)
          : planted.fault.operation === operation;
      if (counts) planted.left -= 1;
      if (counts && planted.left === 0) {
        onFault?.();
        throw new DiskError(planted.fault.code, path, operation);
      }
    }
  }

  #folder(path: string, operation: string): SimulatedFolder {
    let folder = this.#root;
    for (const name of namesOf(path, operation)) {
      const next = folder.find(name);
      if (next === undefined) throw new DiskError('ENOENT', path, operation);
      if (next instanceof SimulatedFile) throw new DiskError('ENOTDIR', path, operation);
      folder = next;
    }
    return folder;
  }

  #place(path: string, operation: string): { folder: SimulatedFolder; name: string } {
    const names = namesOf(path, operation);
    const name = names.pop();
    if (name === undefined) throw new DiskError('EISDIR', path, operation);
    return { folder: this.#folder(names.join('/') || '.', operation), name };
  }

  #file(path: string, operation: string): SimulatedFile {
    const { folder, name } = this.#place(path, operation);
    const found = folder.find(name);
    if (found === undefined) throw new DiskError('ENOENT', path, operation);
    if (found instanceof SimulatedFolder) throw new DiskError('EISDIR', path, operation);
    return found;
  }
}
