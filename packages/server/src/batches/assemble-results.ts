import { readBlob } from '../files/read-blob.ts';
import type { BlobRef, BlobStore } from '../storage/ports/blobs.ts';
import { firstOutcomes, sumsOf } from '../storage/ports/journal.ts';
import type { Journal, JournalIndexRow, Outcome, OutcomeSums, ShardLease } from '../storage/ports/journal.ts';
import type { ResultPart } from '../storage/ports/shard-queue.ts';
import type { Budget } from './budget.ts';
import { journalPages } from './journal-pages.ts';
import type { UnansweredLine } from './unanswered-lines.ts';

/** One pass holds at most this much of a shard's lines in memory. */
const PASS_BYTES = 8 * 1024 * 1024;
const NOTHING = new Uint8Array();

/** Where the lines of one kind go; see files/write-blob.ts. */
export interface LineOutput {
  write(chunk: Uint8Array): Promise<void>;
  finish(): Promise<BlobRef | null>;
  /** Also after `finish`. Never rejects. */
  abandon(): Promise<void>;
}

export interface ResultSources {
  readonly database: Pick<Journal, 'readJournalIndex' | 'readJournalBytes'>;
  readonly blobs: Pick<BlobStore, 'read'>;
}

export interface AssembledResults {
  readonly parts: ResultPart[];
  readonly errors: Record<string, number>;
  readonly unjournaled: OutcomeSums;
  readonly drained: number;
}

/** The lines of a drained shard's requests that have no outcome, given the ordinals of those that have. */
export type FindUnanswered = (answered: ReadonlySet<number>) => Promise<readonly UnansweredLine[]>;

/** The last outcomes of a shard, in memory only: with them every request has one. */
export interface UnjournaledOutcomes {
  /** Of the journal row that they become if they cannot be committed at once. */
  readonly sequence: number;
  readonly outcomes: readonly Outcome[];
  /** One each. */
  readonly lines: readonly Uint8Array[];
  /** The journal holds nothing of the shard. */
  readonly isWhole: boolean;
  /** To be called once they are durable, or the lease is gone. Repeating it changes nothing. */
  settle(): void;
}

interface Entry {
  readonly outcome: Outcome;
  /** Where the journal holds its line; null if `line` is it. */
  readonly row: JournalIndexRow | null;
  /** Of its line within the row's bytes. */
  readonly offset: number;
  readonly line: Uint8Array;
}

/**
 * Writes the journaled lines of a shard in input order: output and error lines each to blobs of their own. Offsets are
 * read first, then bytes, in as many passes as it takes to stay within `budget`. A line that already lies in a
 * blob of its own becomes a part as it is; nothing is copied. `unjournaled` outcomes take their places among them, and the lines that
 * `findUnanswered` finds take theirs among the error lines. Null if the lease is gone: nothing was written then.
 */
export async function assembleResults(
  sources: ResultSources,
  lease: ShardLease,
  budget: Budget,
  openOutput: () => LineOutput,
  unjournaled: UnjournaledOutcomes | null,
  findUnanswered: FindUnanswered | null = null,
): Promise<AssembledResults | null> {
  const index = unjournaled?.isWhole ? [] : await sources.database.readJournalIndex(lease);
  if (index === null) return null;
  const answered = entriesOf(index, unjournaled);
  const unanswered = (await findUnanswered?.(new Set(answered.keys()))) ?? [];
  const entries = [...answered.values(), ...unanswered.map(drainedEntry)].toSorted(
    (a, b) => a.outcome.ordinal - b.outcome.ordinal,
  );

  const kinds = {
    succeeded: new PartsWriter('output', openOutput),
    failed: new PartsWriter('error', openOutput),
  };
  const errors: Record<string, number> = {};
  try {
    for (const pass of passesOf(entries)) {
      using _held = await budget.take(2 * pass.bytes);
      const lines = await readLines(sources, lease, pass.entries);
      if (lines === null) {
        await abandonAll(kinds);
        return null;
      }
      for (const [place, { outcome }] of pass.entries.entries()) {
        if (outcome.error !== null) errors[outcome.error] = (errors[outcome.error] ?? 0) + 1;
        await kinds[outcome.kind].add(outcome, lines[place]);
      }
      await kinds.succeeded.flush();
      await kinds.failed.flush();
    }
    const parts = [...(await kinds.succeeded.finish()), ...(await kinds.failed.finish())];
    return {
      parts,
      errors,
      unjournaled: sumsOf(unjournaled?.outcomes ?? []),
      drained: unanswered.length,
    };
  } catch (error) {
    await abandonAll(kinds);
    throw error;
  }
}

/** By ordinal. The first outcome of an ordinal wins. */
function entriesOf(
  index: readonly JournalIndexRow[],
  unjournaled: UnjournaledOutcomes | null,
): Map<number, Entry> {
  const byOrdinal = new Map<number, Entry>();
  for (const [ordinal, placed] of firstOutcomes(index)) byOrdinal.set(ordinal, { ...placed, line: NOTHING });
  unjournaled?.outcomes.forEach((outcome, place) => {
    byOrdinal.set(outcome.ordinal, { outcome, row: null, offset: 0, line: unjournaled.lines[place] });
  });
  return byOrdinal;
}

/** It is no outcome: it is counted nowhere, and only its line is written. */
function drainedEntry({ ordinal, line }: UnansweredLine): Entry {
  const outcome: Outcome = {
    ordinal,
    kind: 'failed',
    length: line.length,
    blob: null,
    error: null,
    inputTokens: 0,
    outputTokens: 0,
  };
  return { outcome, row: null, offset: 0, line };
}

function* passesOf(entries: readonly Entry[]): Generator<{ entries: Entry[]; bytes: number }> {
  let pass: { entries: Entry[]; bytes: number } = { entries: [], bytes: 0 };
  for (const entry of entries) {
    if (pass.entries.length > 0 && pass.bytes + entry.outcome.length > PASS_BYTES) {
      yield pass;
      pass = { entries: [], bytes: 0 };
    }
    pass.entries.push(entry);
    pass.bytes += entry.outcome.length;
  }
  if (pass.entries.length > 0) yield pass;
}

/** The lines of a pass, in its order. Rows are read a few at a time and only the pass's lines of them are kept. */
async function readLines(
  sources: ResultSources,
  lease: ShardLease,
  entries: readonly Entry[],
): Promise<Uint8Array[] | null> {
  const lines = entries.map(({ line }) => line);
  const placesByRow = new Map<JournalIndexRow, number[]>();
  entries.forEach(({ outcome, row }, place) => {
    if (row === null || outcome.length === 0) return;
    const places = placesByRow.get(row);
    if (places === undefined) placesByRow.set(row, [place]);
    else places.push(place);
  });
  for (const rows of journalPages([...placesByRow.keys()], PASS_BYTES)) {
    const read = await readRows(sources, lease, rows);
    if (read === null) return null;
    rows.forEach((row, at) => {
      for (const place of placesByRow.get(row)!) {
        const { offset, outcome } = entries[place];
        lines[place] = read[at].slice(offset, offset + outcome.length);
      }
    });
  }
  return lines;
}

/** Folded rows are read from their blobs, the others from the database. */
async function readRows(
  { database, blobs }: ResultSources,
  lease: ShardLease,
  rows: readonly JournalIndexRow[],
): Promise<Uint8Array[] | null> {
  const unfolded = rows.filter(({ blob }) => blob === null);
  const read = await database.readJournalBytes(lease, unfolded);
  if (read === null) return null;
  const bytes: Uint8Array[] = [];
  let next = 0;
  for (const { blob } of rows) bytes.push(blob === null ? read[next++] : await readBlob(blobs, blob));
  return bytes;
}

/** Collects the lines of one kind into parts: runs of small lines in one blob, a large line as its own. */
class PartsWriter {
  readonly #kind: ResultPart['kind'];
  readonly #openOutput: () => LineOutput;
  readonly #parts: ResultPart[] = [];
  readonly #finished: LineOutput[] = [];
  #output: LineOutput | null = null;
  #lines = 0;
  /** Lines of this pass, written together: a write each would cost a promise per line. */
  #unwritten: Uint8Array[] = [];

  constructor(kind: ResultPart['kind'], openOutput: () => LineOutput) {
    this.#kind = kind;
    this.#openOutput = openOutput;
  }

  /** Takes a line; it is written by the next `flush`. */
  async add(outcome: Outcome, line: Uint8Array): Promise<void> {
    if (outcome.blob !== null) {
      await this.#close();
      this.#parts.push({ kind: this.#kind, blob: outcome.blob, lines: 1 });
      return;
    }
    this.#unwritten.push(line);
    this.#lines += 1;
  }

  async flush(): Promise<void> {
    if (this.#unwritten.length === 0) return;
    this.#output ??= this.#openOutput();
    const lines = Buffer.concat(this.#unwritten);
    this.#unwritten = [];
    await this.#output.write(lines);
  }

  async finish(): Promise<ResultPart[]> {
    await this.#close();
    return this.#parts;
  }

  /** Finished blobs too: the next try writes new ones. */
  async abandon(): Promise<void> {
    for (const output of this.#finished) await output.abandon();
    await this.#output?.abandon();
  }

  async #close(): Promise<void> {
    await this.flush();
    if (this.#output === null) return;
    const blob = await this.#output.finish();
    if (blob !== null) this.#parts.push({ kind: this.#kind, blob, lines: this.#lines });
    this.#finished.push(this.#output);
    this.#output = null;
    this.#lines = 0;
  }
}

async function abandonAll(kinds: Record<Outcome['kind'], PartsWriter>): Promise<void> {
  await kinds.succeeded.abandon();
  await kinds.failed.abandon();
}
