import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Disk, DiskReader, DiskWriter } from '../ports/disk.ts';
import { DiskError } from '../ports/disk.ts';
import { namesOf } from './disk-path.ts';

/** Opens a folder of the machine's file system as a disk. A folder that is not there is made, durably. */
export async function openSystemDisk(folder: string): Promise<Disk> {
  const root = resolve(folder);
  await translated('mkdir', folder, () => makeRoot(root));
  return new SystemDisk(root);
}

class SystemDisk implements Disk {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async create(path: string): Promise<DiskWriter> {
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
    const handle = await this.#run('create', path, (full) => open(full, flags, 0o640));
    return new SystemDiskWriter(handle, path);
  }

  async open(path: string): Promise<DiskReader> {
    const handle = await this.#run('open', path, (full) => open(full, 'r'));
    try {
      const { size } = await translated('stat', path, () => handle.stat());
      return new SystemDiskReader(handle, path, size);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run('rename', from, (source) => this.#run('rename', to, (target) => rename(source, target)));
  }

  remove(path: string): Promise<void> {
    return this.#run('remove', path, (full) => rm(full, { force: true }));
  }

  async makeFolder(path: string): Promise<void> {
    await this.#run('mkdir', path, (full) => mkdir(full, { recursive: true }));
  }

  syncFolder(path: string): Promise<void> {
    return this.#run('fsync', path, syncFolderAt);
  }

  list(path: string): Promise<string[]> {
    return this.#run('list', path, (full) => readdir(full));
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await this.#run('statfs', '.', (full) => statfs(full));
    return bavail * bsize;
  }

  async #run<T>(operation: string, path: string, action: (full: string) => Promise<T>): Promise<T> {
    const full = join(this.#root, ...namesOf(path, operation));
    return translated(operation, path, () => action(full));
  }
}

class SystemDiskWriter implements DiskWriter {
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string) {
    this.#handle = handle;
    this.#path = path;
  }

  write(chunk: Uint8Array): Promise<void> {
    return translated('write', this.#path, async () => {
      for (let written = 0; written < chunk.byteLength;) {
        written += (await this.#handle.write(chunk, written)).bytesWritten;
      }
    });
  }

  sync(): Promise<void> {
    return translated('fsync', this.#path, () => this.#handle.sync());
  }

  close(): Promise<void> {
    return translated('close', this.#path, () => this.#handle.close());
  }
}

class SystemDiskReader implements DiskReader {
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #path: string;

  constructor(handle: FileHandle, path: string, size: number) {
    this.#handle = handle;
    this.#path = path;
    this.size = size;
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return translated('read', this.#path, async () => {
      // Not zeroed: only what was read is handed out.
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.size - position)));
      let read = 0;
      while (read < bytes.byteLength) {
        const { bytesRead } = await this.#handle.read(bytes, read, bytes.byteLength - read, position + read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return bytes.subarray(0, read);
    });
  }

  close(): Promise<void> {
    return translated('close', this.#path, () => this.#handle.close());
  }
}

/** Makes the folder with its parents and syncs each folder that got a new name, up to the first that was there before. */
async function makeRoot(root: string): Promise<void> {
  const firstMade = await mkdir(root, { recursive: true });
  if (firstMade === undefined) return;
  for (let made = root; made.length >= firstMade.length; made = dirname(made)) {
    await syncFolderAt(dirname(made));
  }
}

async function syncFolderAt(full: string): Promise<void> {
  await using handle = await open(full, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync();
}

async function translated<T>(operation: string, path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof DiskError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'EIO';
    throw new DiskError(code, path, operation, { cause: error });
  }
}
