import type { BoraClient } from '@bora/client';
import { systemClock, type Clock } from '@bora/server/observe/clock';
import type { Disk } from '@bora/server/storage/ports/disk';
import type { DiskOperation, SimulatedDisk } from '../simulated-disk.ts';
import { makeTemporaryFolder, type TemporaryFolder } from '../temporary-folder.ts';
import { startWholeBora, type WholeBora } from '../whole-bora.ts';
import { PoweredDatabase, type Remains } from './powered-database.ts';

/** How fast time passes for a Bora whose power is gone, so that it gives up at once. */
const SPEED_WITHOUT_POWER = 500;

export interface PoweredBoraOptions {
  readonly disk: SimulatedDisk;
  readonly folder: TemporaryFolder;
  readonly upstream: string;
  /** Stands between Bora and the disk: a planted defect. */
  readonly wrapDisk: (disk: Disk) => Disk;
}

/** A whole Bora in this process over a simulated disk and real SQLite, whose power can be cut, all at one moment. */
export class PoweredBora {
  readonly #bora: WholeBora;
  readonly #folder: TemporaryFolder;
  readonly #database: PoweredDatabase;
  readonly #power: { isOff: boolean };

  private constructor(
    bora: WholeBora,
    folder: TemporaryFolder,
    database: PoweredDatabase,
    power: { isOff: boolean },
  ) {
    this.#bora = bora;
    this.#folder = folder;
    this.#database = database;
    this.#power = power;
  }

  static async start({ disk, folder, upstream, wrapDisk }: PoweredBoraOptions): Promise<PoweredBora> {
    const power = { isOff: false };
    const database = new PoweredDatabase(folder.path);
    const bora = await startWholeBora({
      upstreams: [upstream],
      env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '6', BORA_STOP_GRACE_SECONDS: '0' },
      dataFolder: folder.path,
      overrides: {
        clock: poweredClock(power),
        disk: () => wrapDisk(disk),
        database: (real) => database.wrap(real),
        sqlite: { storeVariant: new URL('./without-checkpoints.ts', import.meta.url) },
        // Journals in small pieces, and folds of some of them.
        dispatch: { journalDelayMs: 1, foldBytes: 20_000 },
      },
    });
    return new PoweredBora(bora, folder, database, power);
  }

  get client(): BoraClient {
    return this.#bora.client;
  }

  get isOff(): boolean {
    return this.#power.isOff;
  }

  /** Cuts disk and database before the n-th change of the disk from now. `onCut` is told which one that would have been. */
  cutPowerBefore(nth: number, disk: SimulatedDisk, onCut: (operation: DiskOperation) => void): void {
    disk.cutPowerBefore(nth, (operation) => {
      this.#off();
      onCut(operation);
    });
  }

  /**
   * Cuts it now, and answers a data folder with what is left of the database, in place of its own. Nothing runs any more when this
   * resolves.
   */
  async remains(remains: Remains, random: () => number): Promise<TemporaryFolder> {
    this.#off();
    const left = await makeTemporaryFolder();
    await this.#database.copyRemains(left.path, remains, random);
    // It rejects because it cannot give its session back.
    await Promise.allSettled([this.#bora[Symbol.asyncDispose]()]);
    await this.#folder[Symbol.asyncDispose]();
    return left;
  }

  #off(): void {
    this.#power.isOff = true;
    this.#database.cut();
  }
}

function poweredClock(power: { readonly isOff: boolean }): Clock {
  const scaled = (ms: number): number => (power.isOff ? ms / SPEED_WITHOUT_POWER : ms);
  return {
    now: () => systemClock.now(),
    elapsed: () => systemClock.elapsed(),
    sleep: (ms, signal) => systemClock.sleep(scaled(ms), signal),
    after: (ms, action) => systemClock.after(scaled(ms), action),
  };
}
