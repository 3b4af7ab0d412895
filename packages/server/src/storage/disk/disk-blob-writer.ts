import { crc32 } from 'node:zlib';
import type { BlobWriter, FinishedBlob } from '../ports/blobs.ts';
import type { Disk, DiskWriter } from '../ports/disk.ts';
import type { FreeSpaceFloor } from './free-space-floor.ts';

/** Writes of 1 MiB were no faster (both 1.5 to 3 GB/s into the page cache), and many writers are open at once. */
const BUFFER_BYTES = 256 * 1024;
/** As large as uploads come: each of hundreds that stand still would hold a buffer otherwise. */
const UNBUFFERED_BYTES = 64 * 1024;

export interface BlobPaths {
  /** While it is written. */
  readonly writing: string;
  /** Once it is finished. */
  readonly object: string;
  /** The folder of `object`. */
  readonly folder: string;
}

/** `open` → `finished` or `dropped`; a failure of any step drops the bytes at once, so that no later call can publish them. */
export class DiskBlobWriter implements BlobWriter {
  readonly #disk: Disk;
  readonly #floor: FreeSpaceFloor;
  readonly #name: string;
  readonly #paths: BlobPaths;
  readonly #file: DiskWriter;
  #state: 'open' | 'finished' | 'dropped' = 'open';
  #buffer: Uint8Array | null = null;
  #buffered = 0;
  #length = 0;
  #checksum = 0;

  constructor(disk: Disk, floor: FreeSpaceFloor, name: string, paths: BlobPaths, file: DiskWriter) {
    this.#disk = disk;
    this.#floor = floor;
    this.#name = name;
    this.#paths = paths;
    this.#file = file;
  }

  /** Small chunks are collected: result lines come by the thousand, and each write to the disk costs a thread switch. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#assertOpen();
    const isLarge = chunk.byteLength >= UNBUFFERED_BYTES;
    if (isLarge || this.#buffered + chunk.byteLength > BUFFER_BYTES) await this.#flush();
    if (isLarge) return this.#append(chunk);
    this.#buffer ??= new Uint8Array(BUFFER_BYTES);
    this.#buffer.set(chunk, this.#buffered);
    this.#buffered += chunk.byteLength;
  }

  async finish(): Promise<FinishedBlob> {
    this.#assertOpen();
    await this.#flush();
    await this.#orDrop(async () => {
      await this.#file.sync();
      await this.#file.close();
      await this.#disk.rename(this.#paths.writing, this.#paths.object);
      await this.#disk.syncFolder(this.#paths.folder);
    });
    this.#assertOpen();
    this.#state = 'finished';
    this.#buffer = null;
    const checksum = this.#checksum.toString(16).padStart(8, '0');
    return { name: this.#name, length: this.#length, checksum };
  }

  async abandon(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'dropped';
    this.#buffer = null;
    // What cannot be removed now goes when the released name is collected, or at the next start.
    await this.#file.close().catch(() => {});
    // In this order: a rename under way then either finds nothing to rename, or has done so before the second removal.
    await this.#disk.remove(this.#paths.writing).catch(() => {});
    await this.#disk.remove(this.#paths.object).catch(() => {});
  }

  async #flush(): Promise<void> {
    if (this.#buffer === null || this.#buffered === 0) return;
    const bytes = this.#buffer.subarray(0, this.#buffered);
    this.#buffered = 0;
    await this.#append(bytes);
  }

  #append(bytes: Uint8Array): Promise<void> {
    return this.#orDrop(async () => {
      await this.#floor.admit(this.#paths.writing, bytes.byteLength);
      await this.#file.write(bytes);
      this.#checksum = crc32(bytes, this.#checksum);
      this.#length += bytes.byteLength;
    });
  }

  async #orDrop(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      await this.abandon();
      throw error;
    }
  }

  #assertOpen(): void {
    if (this.#state === 'open') return;
    throw new Error(`Blob ${this.#name} is ${this.#state} already. Write a new one under a fresh name.`);
  }
}
