/** What can be tuned about a worker. Each default carries its reason. */
export interface DispatchSettings {
  /** Shards open at once, at most. Slow requests keep shards open while others finish. */
  readonly maxOpenShards: number;
  /** Answers that may wait for the journal. Reaching it stops sending: part of what "in flight" is bounded by. */
  readonly maxUnjournaled: number;
  /** Bytes of answers that may wait for the journal; reaching it stops sending too. */
  readonly answerBudgetBytes: number;
  /** Bytes of requests read, waiting or in flight. */
  readonly requestBudgetBytes: number;
  /** Longest wait of an answer for company in its journal transaction. */
  readonly journalDelayMs: number;
  /** How long requests in flight may finish after their batch was cancelled or expired. */
  readonly stopGraceMs: number;
}

export const DEFAULT_DISPATCH_SETTINGS: DispatchSettings = {
  maxOpenShards: 256,
  maxUnjournaled: 4096,
  answerBudgetBytes: 64 * 1024 * 1024,
  requestBudgetBytes: 64 * 1024 * 1024,
  // At 5,000 answers a second, 20 ms put about a hundred into a transaction; its cost (an fsync and some 100 µs) is then
  // 1 µs an answer. Shorter waits buy nothing: no one reads a single answer's progress that fast.
  journalDelayMs: 20,
  stopGraceMs: 5_000,
};
