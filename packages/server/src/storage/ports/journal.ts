import type { BlobRef, ObjectRange } from './blobs.ts';

/**
 * The durable outcomes of shards that are not committed yet. Part of the database, so that an outcome and the count
 * that shows it appear in one transaction: a request whose outcome is journaled is never sent again.
 */
export interface Journal {
  /**
   * Inserts rows and raises their shards' counts, by the check `WHERE id AND epoch AND session`; counts rise only
   * if the row was inserted. Rows of several shards share the transaction: one whose check fails is left out (`fenced`), the
   * others commit. A row that is there already (same shard, epoch, sequence) is `accepted` and counts nothing.
   * Blobs named by outcomes pass from the session to the journal row.
   */
  appendJournal(session: string, rows: readonly JournalRow[]): Promise<('accepted' | 'fenced')[]>;

  /**
   * Outcomes of a shard without their bytes, in order (epoch, sequence). Call it only after the claim resolved:
   * it reads in a transaction of its own, which therefore sees everything older leases wrote. Null if the lease is gone.
   */
  readJournalIndex(lease: ShardLease): Promise<JournalIndexRow[] | null>;

  /**
   * The bytes of the given rows, in the order asked for. Null if the lease is gone. Keep a call under 8 MiB. Rejects
   * if a row is folded: its bytes are where `JournalIndexRow.blob` says.
   */
  readJournalBytes(lease: ShardLease, rows: readonly JournalKey[]): Promise<Uint8Array[] | null>;

  /**
   * Replaces the bytes of rows by the ranges of objects in which they lie now, so that the database need not keep them.
   * Keys, outcomes, counts and order stay as they are: a row offered again is still known, and the first outcome still wins.
   * The objects pass from the session to the shard, whose commit releases them. `folded` also if the rows lie in these very
   * ranges already (a repeat); `fenced` if the lease is gone. Rejects, and changes nothing, if a row is not there, has
   * another length or is folded into another object.
   */
  foldJournal(lease: ShardLease, rows: readonly FoldedRow[]): Promise<'folded' | 'fenced'>;
}

export interface ShardLease {
  readonly shardId: number;
  readonly epoch: number;
  readonly session: string;
}

export interface JournalKey {
  readonly epoch: number;
  /** Chosen by the worker, from 0, unique within (shard, epoch). */
  readonly sequence: number;
}

export interface JournalRow extends JournalKey {
  readonly shardId: number;
  readonly outcomes: readonly Outcome[];
  /** Result lines of the outcomes that have no blob, back to back in the order of `outcomes`. */
  readonly bytes: Uint8Array;
}

export interface JournalIndexRow extends JournalKey {
  readonly outcomes: readonly Outcome[];
  /** Size of the row's bytes. */
  readonly length: number;
  /** Where they lie if the row was folded; null while the database holds them. */
  readonly blob: ObjectRange | null;
}

export interface FoldedRow extends JournalKey {
  /** All bytes of the row. */
  readonly blob: ObjectRange;
}

/** What outcomes add to the counts of their shard. */
export interface OutcomeSums {
  readonly succeeded: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input tokens those from the upstream's cache, of the output tokens those of reasoning; absent: 0. */
  readonly cachedTokens?: number;
  readonly reasoningTokens?: number;
}

export function sumsOf(outcomes: readonly Outcome[]): Required<OutcomeSums> {
  const sums = {
    succeeded: 0,
    failed: 0,
    inputTokens: 0,
    outputTokens: 0,
    cachedTokens: 0,
    reasoningTokens: 0,
  };
  for (const { kind, inputTokens, outputTokens, cachedTokens = 0, reasoningTokens = 0 } of outcomes) {
    sums[kind] += 1;
    sums.inputTokens += inputTokens;
    sums.outputTokens += outputTokens;
    sums.cachedTokens += cachedTokens;
    sums.reasoningTokens += reasoningTokens;
  }
  return sums;
}

/** What a request ended as, with its finished result line (line break included). */
export interface Outcome {
  readonly ordinal: number;
  readonly kind: 'succeeded' | 'failed';
  /** Bytes of its line within the row; 0 if the line lies in a blob. */
  readonly length: number;
  /** A line over 256 KiB, written to a blob as it arrived. */
  readonly blob: BlobRef | null;
  /** For `failed`: the message under which it is counted, for example `HTTP Error, status code: 400`. */
  readonly error: string | null;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input tokens those from the upstream's cache, of the output tokens those of reasoning; absent: 0. */
  readonly cachedTokens?: number;
  readonly reasoningTokens?: number;
}

/** An outcome with where its row has its line. */
export interface PlacedOutcome {
  readonly outcome: Outcome;
  readonly row: JournalIndexRow;
  /** Of its line within the row's bytes. */
  readonly offset: number;
}

/** The outcome that counts of each ordinal: the first, in the order (epoch, sequence) in which the index comes. */
export function firstOutcomes(index: readonly JournalIndexRow[]): Map<number, PlacedOutcome> {
  const byOrdinal = new Map<number, PlacedOutcome>();
  for (const row of index) {
    let offset = 0;
    for (const outcome of row.outcomes) {
      if (!byOrdinal.has(outcome.ordinal)) byOrdinal.set(outcome.ordinal, { outcome, row, offset });
      offset += outcome.length;
    }
  }
  return byOrdinal;
}
