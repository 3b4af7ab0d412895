import type { FindUnanswered, UnjournaledOutcomes } from '../batches/assemble-results.ts';
import type { CommitQueue } from '../batches/commit-queue.ts';
import type { JournalFolds } from '../batches/journal-folds.ts';
import type { Log } from '../observe/log.ts';
import type { ShardLease } from '../storage/ports/journal.ts';
import type { ClaimedShard, ParkedFor, ParkedForTime } from '../storage/ports/shard-queue.ts';
import type { Lanes } from './lanes.ts';
import { aboutShard, type OpenShard } from './open-shard.ts';
import type { DispatchSettings } from './settings.ts';
import type { ShardLeases } from './shard-leases.ts';

export interface OpenShardsOptions {
  readonly lanes: Lanes;
  readonly leases: ShardLeases;
  readonly commits: CommitQueue;
  readonly folds: JournalFolds;
  readonly settings: Pick<DispatchSettings, 'foldBytes' | 'foldParkedBytes'>;
  readonly log: Log;
  /** The outcomes of a shard that wait for the journal, if they are all that it still misses: `JournalWriter.takeLast`. */
  readonly takeLast: (shard: OpenShard) => UnjournaledOutcomes | null;
  /** Nothing is committed or given up after it. */
  readonly ended: AbortSignal;
  /** Called after each shard that left. */
  readonly onClosed: (shard: OpenShard) => void;
}

/** The shards that a session works on, and the ways in which one leaves them: committed, parked, set aside, dropped. */
export class OpenShards implements Iterable<OpenShard> {
  readonly #options: OpenShardsOptions;
  readonly #open = new Set<OpenShard>();
  /** Commits and releases under way. */
  readonly #ending = new Set<Promise<void>>();

  constructor(options: OpenShardsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  get ending(): ReadonlySet<Promise<void>> {
    return this.#ending;
  }

  [Symbol.iterator](): Iterator<OpenShard> {
    return this.#open.values();
  }

  add(shard: OpenShard): void {
    this.#open.add(shard);
  }

  /** After each change of a shard: commits it, or gives it up, once there is nothing left to wait for. */
  advance(shard: OpenShard): void {
    if (shard.isClosed || this.#options.ended.aborted) return;
    const unjournaled = this.#options.takeLast(shard);
    if (!shard.isComplete && !(shard.isStopped && shard.isIdle)) {
      this.#foldPast(shard, this.#options.settings.foldBytes);
      return;
    }
    this.#close(shard);
    const { parkedFor } = shard;
    if (parkedFor !== null && !shard.isComplete) this.#giveUp(shard, parkedFor);
    else if (shard.needsDrain) this.#giveUp(shard, undefined);
    else this.#track(shard.work.id, this.#commitFolded(shard, unjournaled));
  }

  /** Sends and reads nothing more of it; it leaves once what is in flight has ended. */
  stop(shard: OpenShard): void {
    shard.stop();
    this.#options.lanes.drop(shard);
    this.advance(shard);
  }

  park(shard: OpenShard, routes: readonly string[], reason: string): void {
    this.#close(shard);
    this.#options.log.info(
      { ...aboutShard(shard.work), routes: routes.join(', '), reason },
      'parked a shard',
    );
    this.#giveUp(shard, { routes, reason });
  }

  /** Gives up, for a while, a shard that could not be opened. */
  setAside(work: ClaimedShard, parkedFor: ParkedForTime): void {
    this.#track(work.id, this.#release(work, parkedFor));
  }

  /** Its lease is gone, or the session is over. */
  drop(shard: OpenShard, reason: string): void {
    this.#close(shard);
    this.#options.leases.forget(shard.lease);
    shard.abortInFlight(reason);
  }

  /** Commits what the journal holds of a shard that is not open, and the lines for the rest of it if it wants them. */
  drain(lease: ShardLease, findUnanswered: FindUnanswered | null): void {
    this.#track(lease.shardId, this.#commit(lease, null, findUnanswered));
  }

  #close(shard: OpenShard): void {
    this.#options.lanes.drop(shard);
    shard.close();
    this.#open.delete(shard);
    this.#options.onClosed(shard);
  }

  async #commit(
    lease: ShardLease,
    unjournaled: UnjournaledOutcomes | null,
    findUnanswered: FindUnanswered | null = null,
  ): Promise<void> {
    const { commits, leases, log, ended } = this.#options;
    const result = await commits.commit(lease, unjournaled, ended, findUnanswered);
    leases.forget(lease);
    if (result === 'fenced') log.warn({ shardId: lease.shardId }, 'a shard was taken over by another');
  }

  /** A commit that read rows while they are folded would find them gone from where its index says. */
  async #commitFolded(shard: OpenShard, unjournaled: UnjournaledOutcomes | null): Promise<void> {
    await shard.folded;
    await this.#commit(shard.lease, unjournaled);
  }

  /** For a while, or, without `parked`, at once to whoever claims it next: the drain of its batch. */
  #giveUp(shard: OpenShard, parked: ParkedFor | undefined): void {
    this.#foldPast(shard, this.#options.settings.foldParkedBytes);
    this.#track(
      shard.work.id,
      // The fold needs the lease.
      shard.folded.then(() => this.#release(shard.work, parked)),
    );
  }

  #release({ id: shardId, epoch }: ClaimedShard, parked: ParkedFor | undefined): Promise<void> {
    return this.#options.leases.release({ shardId, epoch, ...(parked === undefined ? {} : { parked }) });
  }

  /** One fold of a shard after another. One that fails is made up for by the next, this many bytes later. */
  #foldPast(shard: OpenShard, bytes: number): void {
    const { folds, ended } = this.#options;
    if (shard.unfoldedBytes <= bytes) return;
    shard.unfoldedBytes = 0;
    shard.folded = shard.folded.then(() => folds.fold(shard.lease, ended));
    this.#track(shard.work.id, shard.folded);
  }

  #track(shardId: number, work: Promise<void>): void {
    const { log, ended } = this.#options;
    const tracked = work
      .catch((error: unknown) => {
        if (!ended.aborted) log.error({ shardId, err: error }, 'a shard could not be given up; trying again');
      })
      .finally(() => this.#ending.delete(tracked));
    this.#ending.add(tracked);
  }
}

/** A shard whose input or journal cannot be read is left alone for a while: it may be mended meanwhile. */
export function unreadable(what: 'input' | 'journal' | 'named file', error: unknown): ParkedForTime {
  const message = error instanceof Error ? error.message : String(error);
  return { ms: 30_000, reason: `Its ${what} cannot be read: ${message}` };
}
