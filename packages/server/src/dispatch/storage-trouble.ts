import type { BlobNamePool } from '../files/blob-names.ts';
import { whyNotStored } from '../files/storage-failure.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { ClaimedShard, ParkedForTime } from '../storage/ports/shard-queue.ts';
import type { Lanes } from './lanes.ts';
import type { OpenShard } from './open-shard.ts';
import type { OpenShards } from './open-shards.ts';

const FIRST_HOLD_MS = 1_000;
const LONGEST_HOLD_MS = 60_000;
/** The shard that failed comes after others of its batch, so that one answer that cannot be stored does not hold up them all. */
const FAILED_SHARD_HOLDS = 4;
/** What a disk takes of a test says something about answers, which are larger still. */
const TEST_BYTES = new Uint8Array(256 * 1024);

export interface StorageTroubleOptions {
  readonly blobs: BlobStore;
  readonly names: BlobNamePool;
  readonly shards: OpenShards;
  readonly lanes: Lanes;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What follows when an answer came and we failed to keep it. It must be bought again, so the whole batch is held for a growing
 * time: nothing of it is sent, and its shards are parked with the reason. Then a blob is written as a test; if that succeeds, one
 * shard is opened for trial, one request at a time, until it has stored a large answer or is complete. Batches that store
 * their answers go on all the while.
 *
 * Invariant: after the attempts that were under way when the first failure was seen, at most one answer is bought in vain per hold, over all
 * held batches. Retrying each would buy the answers of a full disk again for as long as it is full.
 */
export class StorageTrouble {
  readonly #options: StorageTroubleOptions;
  readonly #batches = new Set<string>();
  #holds = 0;
  #heldUntil = 0;
  #reason = '';
  #isTested = false;
  #trial: number | null = null;

  constructor(options: StorageTroubleOptions) {
    this.#options = options;
  }

  /** Of these nothing is to be claimed now. */
  get heldBatches(): readonly string[] {
    return this.#trial === null && this.#restOfHold === 0 ? [] : [...this.#batches];
  }

  /** How a shard that was claimed goes on: `trial` is one request at a time. */
  admit({ id, batch }: ClaimedShard): 'freely' | 'trial' | ParkedForTime {
    if (!this.#batches.has(batch.id)) return 'freely';
    if (this.heldBatches.length > 0) return this.#park(1);
    this.#trial = id;
    return 'trial';
  }

  /** An answer to a request of this shard was lost through an error of our own. */
  lost(shard: OpenShard, error: unknown): void {
    const { shards } = this.#options;
    const batchId = shard.work.batch.id;
    this.#batches.add(batchId);
    // What was in flight at the first failure fails alike, and says nothing new.
    if (this.#restOfHold === 0) this.#hold(error);
    for (const other of shards) {
      if (other.work.batch.id !== batchId || other.isStopped) continue;
      other.parkedFor = this.#park(other === shard ? FAILED_SHARD_HOLDS : 1);
      shards.stop(other);
    }
  }

  /** A large answer of this shard is stored. */
  stored(shard: OpenShard): void {
    if (shard.work.id !== this.#trial) return;
    this.#holds = 0;
    this.#end();
    if (!shard.isWatched) this.#options.lanes.endLone(shard);
  }

  closed(shard: OpenShard): void {
    if (shard.work.id !== this.#trial) return;
    this.#trial = null;
    if (shard.isComplete) this.#end();
  }

  /** Once a hold is over: writes a blob that nobody needs, and holds on if that fails. Never rejects. */
  async test(): Promise<void> {
    if (this.#batches.size === 0 || this.#isTested || this.#restOfHold > 0) return;
    this.#isTested = true;
    const { blobs, names, log } = this.#options;
    try {
      const name = await names.take();
      try {
        const writer = await blobs.create(name);
        try {
          await writer.write(TEST_BYTES);
          await writer.finish();
        } finally {
          await writer.abandon();
        }
      } finally {
        await names.release([name]);
      }
    } catch (error) {
      log.warn({ err: error }, 'the storage still takes no large answers');
      this.#hold(error);
    }
  }

  get #restOfHold(): number {
    return Math.max(0, Math.ceil(this.#heldUntil - this.#options.clock.elapsed()));
  }

  #hold(error: unknown): void {
    const ms = Math.min(FIRST_HOLD_MS * 2 ** this.#holds, LONGEST_HOLD_MS);
    this.#holds += 1;
    this.#isTested = false;
    this.#heldUntil = this.#options.clock.elapsed() + ms;
    this.#reason = `Answers cannot be stored: ${whyNotStored(error)}`;
  }

  #park(holds: number): ParkedForTime {
    return { ms: holds * (this.#restOfHold || FIRST_HOLD_MS), reason: this.#reason };
  }

  #end(): void {
    this.#trial = null;
    this.#batches.clear();
  }
}
