import type { StorageWaits } from '../batches/storage-waits.ts';
import type { Log } from '../observe/log.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';

export interface RoomWatchOptions {
  readonly blobs: Pick<BlobStore, 'freeBytes'>;
  readonly minFreeBytes: number;
  readonly waits: StorageWaits;
  readonly log: Log;
  /** Called when there is room again. */
  readonly onRoom: () => void;
}

/**
 * Whether there is room for answers. While there is not, nothing is sent: an answer that cannot be journaled would be bought again.
 * The floor is far from the end of the disk, so what is in flight when it is reached is stored as ever.
 */
export class RoomWatch {
  readonly #options: RoomWatchOptions;
  #isShort = false;

  constructor(options: RoomWatchOptions) {
    this.#options = options;
  }

  get isShort(): boolean {
    return this.#isShort;
  }

  /** Measures. Where that fails, what was found before holds. */
  async look(): Promise<void> {
    const { blobs, minFreeBytes, waits, log, onRoom } = this.#options;
    let free: number | null;
    try {
      free = await blobs.freeBytes();
    } catch (error) {
      log.warn({ err: error }, 'the room on the disk could not be measured');
      return;
    }
    const wasShort = this.#isShort;
    this.#isShort = free !== null && free < minFreeBytes;
    if (this.#isShort) {
      waits.begin(
        'sending',
        `Only ${inMib(free)} are free on the disk of the data folder; requests are sent from ${inMib(minFreeBytes)} on. ` +
          'Delete files or jobs, or make room.',
      );
      if (!wasShort) log.warn({ free, minFreeBytes }, 'room runs short; nothing is sent until there is more');
    } else if (wasShort) {
      waits.end('sending');
      log.info({ free }, 'there is room again');
      onRoom();
    }
  }
}

function inMib(bytes: number | null): string {
  return `${Math.floor((bytes ?? 0) / 1024 ** 2)} MiB`;
}
