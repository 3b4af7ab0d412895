import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { CollectableBlob } from '../storage/ports/blob-names.ts';
import type { Database } from '../storage/ports/database.ts';

/** Long enough for downloads under way to end and for slow writers to notice that their session is dead. */
const GRACE_MS = 60 * 60 * 1000;
const INTERVAL_MS = 60 * 1000;
const FILES_PER_ROUND = 1_000;
/** Each with up to 2,000 parts. */
const UPLOADS_PER_ROUND = 10;
const BLOBS_PER_ROUND = 1_000;

export interface CollectorDependencies {
  readonly database: Pick<Database, 'expireFiles' | 'expireUploads' | 'collectableBlobs' | 'markErased'>;
  readonly blobs: Pick<BlobStore, 'remove' | 'syncRemovals'>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface CollectionRound {
  /** Files hidden because their time was up. */
  readonly expired: number;
  /** Blobs whose bytes were removed. */
  readonly erased: number;
}

/**
 * Expires files and uploads, and deletes the bytes that nothing names any more, an hour after they were released. A round is bounded and
 * may be interrupted anywhere: bytes go first, durably, the mark in the database second, and removing twice is harmless.
 */
export class Collector {
  readonly #deps: CollectorDependencies;
  /** The last blob of the round before if there were more behind it. What could not be removed is tried again from the front. */
  #after: CollectableBlob | undefined;
  #running: { readonly stop: AbortController; readonly ended: Promise<void> } | null = null;

  constructor(deps: CollectorDependencies) {
    this.#deps = deps;
  }

  start(): void {
    if (this.#running !== null) return;
    const stop = new AbortController();
    this.#running = { stop, ended: this.#loop(stop.signal) };
  }

  /** Resolves when no round runs any more. */
  async stop(): Promise<void> {
    this.#running?.stop.abort();
    await this.#running?.ended;
    this.#running = null;
  }

  /** One bounded round. What fails is logged and left for the next one. */
  async runOnce(signal?: AbortSignal): Promise<CollectionRound> {
    const { log } = this.#deps;
    const expired = await this.#expire();
    if (expired > 0) log.info({ files: expired }, 'files expired');
    await this.#expireUploads();
    const erased = await this.#erase(signal);
    if (erased > 0) log.info({ blobs: erased }, 'released bytes deleted');
    return { expired, erased };
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { expired } = await this.runOnce(signal);
      const isMoreLikely = expired === FILES_PER_ROUND || this.#after !== undefined;
      if (!isMoreLikely) await this.#deps.clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #expire(): Promise<number> {
    const { database, log } = this.#deps;
    try {
      return await database.expireFiles(FILES_PER_ROUND);
    } catch (error) {
      log.warn({ err: error }, 'files could not be expired; trying again in a minute');
      return 0;
    }
  }

  async #expireUploads(): Promise<void> {
    const { database, log } = this.#deps;
    try {
      while ((await database.expireUploads(UPLOADS_PER_ROUND)) === UPLOADS_PER_ROUND);
    } catch (error) {
      log.warn({ err: error }, 'uploads could not be expired; trying again in a minute');
    }
  }

  async #erase(signal: AbortSignal | undefined): Promise<number> {
    const { database, blobs, log } = this.#deps;
    const erased: CollectableBlob[] = [];
    const after = this.#after;
    this.#after = undefined;
    try {
      const page = await database.collectableBlobs(GRACE_MS, BLOBS_PER_ROUND, after);
      for (const blob of page) {
        if (signal?.aborted === true) break;
        if (await this.#remove(blob.name)) erased.push(blob);
      }
      if (erased.length > 0) {
        // The mark of the second pass forgets the name: bytes that came back after it would never be found again.
        await blobs.syncRemovals();
        await database.markErased(erased);
      }
      if (page.length === BLOBS_PER_ROUND) this.#after = page.at(-1);
    } catch (error) {
      log.warn({ err: error }, 'released bytes could not be collected; trying again in a minute');
      return 0;
    }
    return erased.length;
  }

  async #remove(name: string): Promise<boolean> {
    try {
      await this.#deps.blobs.remove(name);
      return true;
    } catch (error) {
      this.#deps.log.warn(
        { blob: name, err: error },
        'a blob could not be removed; trying again in a minute',
      );
      return false;
    }
  }
}
