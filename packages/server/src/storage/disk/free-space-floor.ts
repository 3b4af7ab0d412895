import type { Disk } from '../ports/disk.ts';
import { DiskError } from '../ports/disk.ts';

/** Free space is measured again after this much was written: far less than any sensible floor, far more than a write. */
const MEASURE_EVERY = 8 * 1024 * 1024;

/**
 * Refuses writes before the disk is really full, so that the database in the same folder can still commit: a Bora whose
 * blobs are refused goes on answering, one whose SQLite cannot write does not.
 */
export class FreeSpaceFloor {
  readonly #disk: Disk;
  readonly #minFreeBytes: number;
  #writtenSince = 0;
  #below = false;

  constructor(disk: Disk, minFreeBytes: number) {
    this.#disk = disk;
    this.#minFreeBytes = minFreeBytes;
  }

  /**
   * Called before `bytes` are written to `path`. Below the floor each call measures, so writes go on as soon as
   * somebody made room.
   * @throws DiskError `ENOSPC`
   */
  async admit(path: string, bytes: number): Promise<void> {
    this.#writtenSince += bytes;
    if (this.#below || this.#writtenSince >= MEASURE_EVERY) await this.measure(path);
  }

  /**
   * Measures now.
   * @throws DiskError `ENOSPC`
   */
  async measure(path: string): Promise<void> {
    this.#writtenSince = 0;
    const free = await this.#disk.freeBytes();
    this.#below = free < this.#minFreeBytes;
    if (!this.#below) return;
    throw new DiskError('ENOSPC', path, 'write', {
      cause: new Error(
        `Only ${free} bytes are free on the disk of the data folder; writes stop below ${this.#minFreeBytes}. ` +
          'Delete files or batches, or make room on the disk.',
      ),
    });
  }
}
