import type { Disk, DiskReader, DiskWriter } from '@bora/server/storage/ports/disk';
import { DiskError } from '@bora/server/storage/ports/disk';

/** A file of a volatile disk: its synced bytes lie on the real disk, the others in this process. */
export class VolatileFile {
  readonly #disk: Disk;
  #path: string;
  #onDisk: number;
  readonly #inMemory: Uint8Array[] = [];

  /** `path` is where its bytes lie on the real disk; `onDisk` how many there are already. */
  constructor(disk: Disk, path: string, onDisk: number) {
    this.#disk = disk;
    this.#path = path;
    this.#onDisk = onDisk;
  }

  get path(): string {
    return this.#path;
  }

  /** Gives the bytes another place on the real disk. */
  async moveTo(path: string): Promise<void> {
    await this.#disk.rename(this.#path, path);
    this.#path = path;
  }

  /** Deletes the bytes if they lie in `folder`. */
  async removeFrom(folder: string): Promise<void> {
    if (this.#path.startsWith(`${folder}/`)) await this.#disk.remove(this.#path);
  }

  writer(real: DiskWriter, path: string): DiskWriter {
    let open = true;
    return {
      write: async (chunk) => {
        if (!open) throw new DiskError('EBADF', path, 'write');
        this.#inMemory.push(new Uint8Array(chunk));
      },
      sync: async () => {
        for (let piece = this.#inMemory[0]; piece !== undefined; piece = this.#inMemory[0]) {
          await real.write(piece);
          this.#onDisk += piece.byteLength;
          this.#inMemory.shift();
        }
        await real.sync();
      },
      close: () => {
        open = false;
        return real.close();
      },
    };
  }

  async reader(): Promise<DiskReader> {
    const memory = Buffer.concat(this.#inMemory);
    const onDisk = this.#onDisk;
    const real = await this.#disk.open(this.#path);
    return {
      size: onDisk + memory.byteLength,
      read: async (position, length) => {
        const synced = await real.read(position, Math.max(0, Math.min(length, onDisk - position)));
        const from = Math.max(0, position - onDisk);
        const rest = memory.subarray(from, from + Math.max(0, length - synced.byteLength));
        return Buffer.concat([synced, rest]);
      },
      close: () => real.close(),
    };
  }
}
