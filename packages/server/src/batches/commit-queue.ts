import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Database } from '../storage/ports/database.ts';
import type { ShardLease } from '../storage/ports/journal.ts';
import type { ShardCommit } from '../storage/ports/shard-queue.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import { whyNotStored } from '../files/storage-failure.ts';
import { BlobOutput } from '../files/write-blob.ts';
import type { Log } from '../observe/log.ts';
import type { Clock } from '../observe/clock.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import { assembleResults, type FindUnanswered, type UnjournaledOutcomes } from './assemble-results.ts';
import { Budget } from './budget.ts';
import type { StorageWaits } from './storage-waits.ts';

/** Bytes that all commits together hold in memory. */
const COMMIT_BUDGET_BYTES = 64 * 1024 * 1024;
/** Shards assembled at once: enough to overlap fsyncs, few enough to stay behind dispatch. */
const ASSEMBLING_AT_ONCE = 4;
const RETRY_MS = 1_000;

export interface CommitDependencies {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly names: BlobNamePool;
  readonly waits: StorageWaits;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
}

interface ReadyCommit {
  readonly lease: ShardLease;
  commit: ShardCommit;
  /** What of it no transaction has taken yet. */
  held: UnjournaledOutcomes | null;
  readonly settle: (result: 'committed' | 'fenced') => void;
  readonly fail: (reason: Error) => void;
}

/**
 * Commits shards: journal → result blobs in input order → one transaction. Commits that are ready together share
 * a transaction. A commit is retried until it is `committed` or `fenced`: after an error of unknown outcome the same
 * parts are offered again, and the database answers `committed` if they are already there.
 */
export class CommitQueue {
  readonly #deps: CommitDependencies;
  readonly #budget = new Budget(COMMIT_BUDGET_BYTES);
  readonly #assembling = new Budget(ASSEMBLING_AT_ONCE);
  readonly #ready: ReadyCommit[] = [];
  #writing = false;

  constructor(deps: CommitDependencies) {
    this.#deps = deps;
  }

  /**
   * Commits with what the journal holds, and `unjournaled` beside it. A shard that is drained says by `findUnanswered` which lines it
   * wants for the rest; they are made again with each try. Rejects only when `signal` aborts (the session is lost or
   * stopping). After a failure `unjournaled` goes to the journal, so that however long the next try takes, it is durable.
   */
  async commit(
    lease: ShardLease,
    unjournaled: UnjournaledOutcomes | null,
    signal: AbortSignal,
    findUnanswered: FindUnanswered | null = null,
  ): Promise<'committed' | 'fenced'> {
    const { waits, clock, log } = this.#deps;
    const work = `results of ${lease.shardId}` as const;
    let held = unjournaled;
    try {
      for (let isFirstTry = true; ; isFirstTry = false) {
        signal.throwIfAborted();
        try {
          if (held !== null && !isFirstTry) {
            await this.#journal(lease, held);
            held = null;
          }
          const commit = await this.#assemble(lease, held, findUnanswered);
          return commit === null ? 'fenced' : await this.#write(lease, commit, held, signal);
        } catch (error) {
          signal.throwIfAborted();
          waits.begin(work, `Results cannot be written: ${whyNotStored(error)}`);
          log.warn(
            { shardId: lease.shardId, err: error },
            'results of a shard could not be written; trying again',
          );
          await clock.sleep(RETRY_MS, signal);
        }
      }
    } finally {
      waits.end(work);
    }
  }

  async #assemble(
    lease: ShardLease,
    unjournaled: UnjournaledOutcomes | null,
    findUnanswered: FindUnanswered | null,
  ): Promise<ShardCommit | null> {
    const { database, blobs, names, reachStopPoint } = this.#deps;
    using _place = await this.#assembling.take(1);
    await reachStopPoint('commit.before-blobs');
    const results = await assembleResults(
      { database, blobs },
      lease,
      this.#budget,
      () => new BlobOutput({ blobs, names }),
      unjournaled,
      findUnanswered,
    );
    await reachStopPoint('commit.after-blobs');
    return results && { shardId: lease.shardId, epoch: lease.epoch, ...results };
  }

  #write(
    lease: ShardLease,
    commit: ShardCommit,
    held: UnjournaledOutcomes | null,
    signal: AbortSignal,
  ): Promise<'committed' | 'fenced'> {
    const { promise, resolve, reject } = Promise.withResolvers<'committed' | 'fenced'>();
    this.#ready.push({ lease, commit, held, settle: resolve, fail: reject });
    if (!this.#writing) void this.#drainReady(lease.session, signal);
    return promise;
  }

  async #journal(lease: ShardLease, held: UnjournaledOutcomes): Promise<'accepted' | 'fenced'> {
    const { shardId, epoch, session } = lease;
    const { sequence, outcomes, lines } = held;
    const row = { shardId, epoch, sequence, outcomes, bytes: Buffer.concat(lines) };
    const [result] = await this.#deps.database.appendJournal(session, [row]);
    held.settle();
    return result;
  }

  async #drainReady(session: string, signal: AbortSignal): Promise<void> {
    const { database, names, waits, clock, log } = this.#deps;
    this.#writing = true;
    // After a failure each goes alone, so that one that is refused for ever holds up nobody else.
    let isAlone = false;
    while (this.#ready.length > 0 && !signal.aborted) {
      const group = this.#ready.splice(0, isAlone ? 1 : this.#ready.length);
      try {
        const results = await database.commitShards(
          session,
          group.map(({ commit }) => commit),
        );
        for (const [place, { commit, held, settle }] of group.entries()) {
          held?.settle();
          if (results[place] === 'fenced') await names.release(blobNamesOf(commit));
          settle(results[place]);
        }
      } catch (error) {
        log.warn({ err: error }, 'shards could not be committed; trying again');
        for (const { lease } of group) {
          waits.begin(`results of ${lease.shardId}`, `Results cannot be committed: ${whyNotStored(error)}`);
        }
        this.#ready.push(...group);
        isAlone = true;
        await this.#journalHeld(group).catch(() => undefined);
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    this.#writing = false;
    for (const { fail } of this.#ready.splice(0)) fail(signal.reason as Error);
  }

  /** If a commit happened after all, its row is refused, and the next try hears `committed`. */
  async #journalHeld(group: readonly ReadyCommit[]): Promise<void> {
    for (const ready of group) {
      if (ready.held === null || (await this.#journal(ready.lease, ready.held)) === 'fenced') continue;
      const { unjournaled: _, ...commit } = ready.commit;
      ready.commit = commit;
      ready.held = null;
    }
  }
}

/** Names written for this commit; parts taken over from the journal belong to the journal row. */
function blobNamesOf(commit: ShardCommit): string[] {
  return commit.parts.flatMap(({ blob }) => (blob.kind === 'object' ? [blob.name] : []));
}
