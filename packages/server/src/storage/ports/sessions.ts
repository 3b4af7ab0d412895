import type { ShardLease } from './journal.ts';
import type { TaskLease } from './plan-and-finalise.ts';

/**
 * A worker session is one run of one worker. It holds leases and unfinished blob names through one heartbeat row.
 * A session declared dead is dead for good: its writes are refused, and whoever wakes opens a new one.
 */
export interface Sessions {
  /**
   * Opens a session. In single-process databases this also buries every session of an older boot at once:
   * their shards return to the queue (the epoch stays; the next claim raises it) and their tasks become
   * claimable, so that work goes on within moments of a restart instead of after a lease time-out.
   */
  openSession(): Promise<string>;

  /** Renews. False means that the session was declared dead: stop at once, nothing it writes will be taken. */
  heartbeat(session: string): Promise<boolean>;

  /** Declares sessions dead whose heartbeat is older than `ttlMs`; their leases end. Returns how many. */
  burySilentSessions(ttlMs: number): Promise<number>;

  /**
   * What a session holds now. For a worker that did not hear the answer to a claim or a release: whatever it holds beside what it
   * works on, nobody works on, and it gives it back.
   */
  leasesOf(session: string): Promise<SessionLeases>;

  /** Ends a session in order: leases given back, names that it still writes released. Idempotent. */
  closeSession(session: string): Promise<void>;
}

export interface SessionLeases {
  readonly shards: readonly ShardLease[];
  readonly tasks: readonly TaskLease[];
}
