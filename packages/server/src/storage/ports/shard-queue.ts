import type { BlobRef } from './blobs.ts';
import type { Dialect, EndReason } from './batch-records.ts';
import type { OutcomeSums } from './journal.ts';

/**
 * Shards: the unit of lease and of commit. `queued` → `leased` → `done`, with `parked` where all that is left waits
 * for the same thing. A lease is (session, epoch); the epoch grows at every claim and fences out late sessions.
 */
export interface ShardQueue {
  /**
   * Leases up to `limit` shards: workspaces by virtual time, within one by (priority, deadline, age), then
   * shards in input order; only shards of batches with a route in `routes` (parked ones only if one of the
   * routes they wait for is in it); of one batch at most `perBatch` leased to this session at once; none of
   * `heldBatches`.
   * Charges the workspaces' virtual time, raises epochs, moves the batches from `queued` to `running`.
   * Nothing may be sent before this resolved.
   */
  claimShards(claim: ShardClaim): Promise<ClaimedShard[]>;

  /**
   * Leases shards of `cancelling` and `expiring` batches for draining: they are committed with what their journal
   * holds, and with the lines that the dialect wants for the rest, and send nothing.
   */
  claimDrain(session: string, limit: number): Promise<ClaimedShard[]>;

  /**
   * Marks done, in one go, up to `limit` unleased shards of stopped Mistral batches that have no journal: they need no line
   * and no blob. Answers how many, so the caller goes on until 0.
   */
  drainUntouched(limit: number): Promise<number>;

  /**
   * Gives leases up; journals stay. A `parked` shard is claimed again once one of its routes is served or its time has passed, and at once
   * by a drain. Lost leases are ignored.
   */
  releaseShards(session: string, releases: readonly ShardRelease[]): Promise<void>;

  /**
   * Commits shards whose outcomes are all journaled (or drained): checks the lease, marks done, owns the result
   * blobs, adds the journaled counts to the batch, deletes the journal rows, lowers `remaining`; whoever reaches
   * zero moves the batch to `finalizing` and queues its finalise task. Per shard:
   * `committed` also if it was found done with the very same parts (a repeat), `fenced` if the lease is gone.
   */
  commitShards(session: string, commits: readonly ShardCommit[]): Promise<('committed' | 'fenced')[]>;
}

export interface ShardClaim {
  readonly session: string;
  /** Routes that can be served now; `any` if some upstream takes every model. */
  readonly routes: readonly string[] | 'any';
  readonly limit: number;
  readonly perBatch: number;
  /** Batches of which nothing is wanted now. */
  readonly heldBatches?: readonly string[];
}

export interface ClaimedShard {
  readonly id: number;
  readonly number: number;
  readonly epoch: number;
  readonly firstOrdinal: number;
  readonly count: number;
  readonly fileId: string;
  readonly start: number;
  readonly length: number;
  readonly firstLine: number;
  /** The line index of its file found no bad line in it. */
  readonly isChecked: boolean;
  /** Sessions that died holding it. */
  readonly deaths: number;
  /** Whether there are journal rows to read before anything is sent. */
  readonly journaled: boolean;
  /** Whether anything is held against its requests; see `Attempts`. */
  readonly attempted: boolean;
  readonly batch: BatchWork;
}

/** What a worker needs to know of the batch of a shard. */
export interface BatchWork {
  readonly id: string;
  readonly workspaceId: string;
  readonly dialect: Dialect;
  readonly endpoint: string;
  readonly model: string | null;
  readonly isLenient: boolean;
  readonly deadlineAt: number | null;
  /** Set once; null while it runs. */
  readonly endReason: EndReason | null;
}

export interface ShardRelease {
  readonly shardId: number;
  readonly epoch: number;
  /** Absent: back to the queue. */
  readonly parked?: ParkedFor;
}

/** What a parked shard waits for, any of some routes or a time, and the sentence that its batch shows meanwhile. */
export type ParkedFor = { readonly routes: readonly string[]; readonly reason: string } | ParkedForTime;

export interface ParkedForTime {
  readonly ms: number;
  readonly reason: string;
}

/** One piece of a shard's results: a blob of whole lines, in input order within its kind. */
export interface ResultPart {
  readonly kind: 'output' | 'error';
  readonly blob: BlobRef;
  readonly lines: number;
}

export interface ShardCommit {
  readonly shardId: number;
  readonly epoch: number;
  /**
   * Output parts in order, error parts in order. Their line counts must equal the counts of the journal and `unjournaled` together,
   * with `drained` among the error lines.
   */
  readonly parts: readonly ResultPart[];
  /** Failed outcomes by message. */
  readonly errors: Readonly<Record<string, number>>;
  /** Outcomes in the parts that never were in the journal, counted by this transaction; absent: none. */
  readonly unjournaled?: OutcomeSums;
  /**
   * Error lines of requests that have no outcome, in a shard that was drained; they count nowhere. With them every request of the shard
   * must have its line. Absent: none, and whatever has no outcome has no line.
   */
  readonly drained?: number;
}
