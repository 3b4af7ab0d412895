import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Database } from '../storage/ports/database.ts';
import type { ShardLease } from '../storage/ports/journal.ts';
import type { ShardCommit } from '../storage/ports/shard-queue.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import { BlobOutput } from '../files/write-blob.ts';
import type { Log } from '../observe/log.ts';
import type { Clock } from '../observe/clock.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import { assembleResults } from './assemble-results.ts';
import { Budget } from './budget.ts';

/** Bytes that all commits together hold in memory. */
const COMMIT_BUDGET_BYTES = 64 * 1024 * 1024;
/** Shards assembled at once: enough to overlap fsyncs, few enough to stay behind dispatch. */
const ASSEMBLING_AT_ONCE = 4;
const RETRY_MS = 1_000;

export interface CommitDependencies {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly names: BlobNamePool;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
}

interface ReadyCommit {
  readonly commit: ShardCommit;
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

  /** Commits with what the journal holds. Rejects only when `signal` aborts (the session is lost or stopping). */
  async commit(lease: ShardLease, signal: AbortSignal): Promise<'committed' | 'fenced'> {
    const { clock, log } = this.#deps;
    for (;;) {
      signal.throwIfAborted();
      try {
        const commit = await this.#assemble(lease);
        return commit === null ? 'fenced' : await this.#write(lease.session, commit, signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn(
          { shardId: lease.shardId, err: error },
          'results of a shard could not be written; trying again',
        );
        await clock.sleep(RETRY_MS, signal);
      }
    }
  }

  async #assemble(lease: ShardLease): Promise<ShardCommit | null> {
    const { database, blobs, names, reachStopPoint } = this.#deps;
    using _place = await this.#assembling.take(1);
    await reachStopPoint('commit.before-blobs');
    const results = await assembleResults(
      { database, blobs },
      lease,
      this.#budget,
      () => new BlobOutput({ blobs, names }),
    );
    await reachStopPoint('commit.after-blobs');
    return results && { shardId: lease.shardId, epoch: lease.epoch, ...results };
  }

  #write(session: string, commit: ShardCommit, signal: AbortSignal): Promise<'committed' | 'fenced'> {
    const { promise, resolve, reject } = Promise.withResolvers<'committed' | 'fenced'>();
    this.#ready.push({ commit, settle: resolve, fail: reject });
    if (!this.#writing) void this.#drainReady(session, signal);
    return promise;
  }

  async #drainReady(session: string, signal: AbortSignal): Promise<void> {
    const { database, names, clock, log } = this.#deps;
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
        for (const [place, { commit, settle }] of group.entries()) {
          if (results[place] === 'fenced') await names.release(blobNamesOf(commit));
          settle(results[place]);
        }
      } catch (error) {
        log.warn({ err: error }, 'shards could not be committed; trying again');
        this.#ready.push(...group);
        isAlone = true;
        await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      }
    }
    this.#writing = false;
    for (const { fail } of this.#ready.splice(0)) fail(signal.reason as Error);
  }
}

/** Names written for this commit; parts taken over from the journal belong to the journal row. */
function blobNamesOf(commit: ShardCommit): string[] {
  return commit.parts.flatMap(({ blob }) => (blob.kind === 'object' ? [blob.name] : []));
}
