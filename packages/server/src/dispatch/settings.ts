import { MAX_LINE_BYTES } from '../bytes/line-splitter.ts';
import { INLINE_BLOB_BYTES } from '../storage/ports/blobs.ts';

/** What can be tuned about a worker. Each default carries its reason. */
export interface DispatchSettings {
  /** Shards open at once, at most. Slow requests keep shards open while others finish. */
  readonly maxOpenShards: number;
  /** Answers that may wait for the journal. Reaching it stops sending: part of what "in flight" is bounded by. */
  readonly maxUnjournaled: number;
  /** Bytes of answers that may wait for the journal; reaching it stops sending too. */
  readonly answerBudgetBytes: number;
  /** The longest line that is read; see `BORA_MAX_LINE_BYTES`. */
  readonly maxLineBytes: number;
  /** Bytes of requests read, waiting or in flight. */
  readonly requestBudgetBytes: number;
  /** Longest wait of an answer for company in its journal transaction. */
  readonly journalDelayMs: number;
  /** Bytes in the journal rows of an open shard past which they are folded. */
  readonly foldBytes: number;
  /** The same for a shard that is given up for a while. */
  readonly foldParkedBytes: number;
  /** With less room on the disk nothing is sent; see `BORA_MIN_FREE_BYTES`. */
  readonly minFreeBytes: number;
  /** How long requests in flight may finish after their batch was cancelled or expired. */
  readonly stopGraceMs: number;
}

export const DEFAULT_DISPATCH_SETTINGS: DispatchSettings = {
  maxOpenShards: 256,
  maxUnjournaled: 4096,
  // Four transactions of the journal: one is written, the others gather. Each byte is in memory two to three times on its way.
  answerBudgetBytes: 32 * 1024 * 1024,
  maxLineBytes: MAX_LINE_BYTES,
  requestBudgetBytes: 64 * 1024 * 1024,
  // A shard that is done within this time skips the journal (docs/decisions/0009); where answers take long, their count in a
  // transaction makes its cost (an fsync and some 100 µs) small. No one reads a single answer's progress faster than this.
  journalDelayMs: 100,
  // Most shards are committed before; one that is not would otherwise hold the database's pages for as long as it waits.
  foldBytes: 8 * 1024 * 1024,
  // Less than this the database keeps of any blob: a file and two fsyncs would cost more than the pages.
  foldParkedBytes: INLINE_BLOB_BYTES,
  minFreeBytes: 0,
  stopGraceMs: 5_000,
};
