import type { ShardLease } from './journal.ts';

/**
 * What is held against requests that have no outcome yet, so that a restart does not give them fresh attempts. A request nothing is
 * held against has no row; rows go with the commit of their shard.
 */
export interface Attempts {
  /** Keeps faults and crashes; a number that is kept already never falls. Requests of shards whose lease is gone are left out. */
  recordAttempts(session: string, attempts: readonly RecordedAttempt[]): Promise<void>;

  /**
   * Says that this request, and no other of its shard, is about to be sent; null: none is. If the session dies before it says
   * otherwise or gives the shard back, that counts as a death of this request; a session closed in order counts nothing.
   * False if the lease is gone.
   */
  markSending(lease: ShardLease, ordinal: number | null): Promise<boolean>;

  /** What is held against requests of a shard, by ordinal. Null if the lease is gone. */
  readAttempts(lease: ShardLease): Promise<HeldAgainst[] | null>;
}

/** What a worker has counted. */
export interface RecordedAttempt {
  readonly shardId: number;
  readonly epoch: number;
  readonly ordinal: number;
  /** Attempts that failed by the request's own fault. */
  readonly faults: number;
  /** Crashes of upstreams that it was in flight in. */
  readonly crashes: number;
}

export interface HeldAgainst {
  readonly ordinal: number;
  readonly faults: number;
  readonly crashes: number;
  /** Deaths of workers that had marked it as the one that they send. */
  readonly deaths: number;
}
