/**
 * Named places where a test can stop, delay or kill a running Bora, so that races and crashes are reproduced
 * instead of slept for. In production every point is a no-op.
 *
 * The list is the contract of the crash harness: it visits each of them and fails on one that was never reached.
 */
export const STOP_POINTS = [
  /** Upload: the bytes of the object are written, not yet synced. */
  'upload.written',
  /** Upload: the object is durable under its name, the file row does not exist yet. */
  'upload.durable',
  /** Plan: its task is claimed, the inputs are not looked at. */
  'plan.claimed',
  /** Plan: some shards are inserted, the plan's hold on `remaining` still stands. */
  'plan.shards-added',
  /** Claim: the claim committed, nothing of the shard was sent. */
  'claim.committed',
  /** Dispatch: an answer is complete in memory, not yet in the journal. */
  'dispatch.answered',
  /** Journal: inside the transaction, rows written, not committed (runs in the database thread). */
  'journal.in-transaction',
  /** Fold of a journal: the blob is durable, the rows still hold their bytes. */
  'fold.after-blob',
  /** Fold of a journal: its rows name the blob, the shard is still open. */
  'fold.committed',
  /** Commit of a shard: its journal is read, its result blobs are not written. */
  'commit.before-blobs',
  /** Commit of a shard: its result blobs are durable, the transaction has not begun. */
  'commit.after-blobs',
  /** Finalise: the task is claimed, the compare-and-set has not run. */
  'finalise.claimed',
  /** Drain: shards are claimed for draining, none is committed. */
  'drain.claimed',
  /** Cancel: the cancellation committed, the dispatcher does not know yet. */
  'cancel.committed',
  /** Expiry: the expiry committed, the dispatcher does not know yet. */
  'expire.committed',
  /** Delete: the object is hidden, its rows and blobs are not purged. */
  'delete.hidden',
  /** Delete: rows are purged, the bytes are not collected yet. */
  'delete.purged',
] as const;

export type StopPoint = (typeof STOP_POINTS)[number];

/** Called at each point. It may return at once, return a promise to hold the caller there, or never return. */
export type ReachStopPoint = (point: StopPoint) => void | Promise<void>;

export const passStopPoints: ReachStopPoint = () => {};
