import type { Database as Sqlite } from 'better-sqlite3';
import type { Damage, InspectedRange } from '../ports/inspection.ts';
import { decodeIndexRow, type EncodedIndexRow } from './journal-encoding.ts';

const STRAY = `
  SELECT DISTINCT j.shard_id AS shardId, s.state FROM journal j LEFT JOIN shard s ON s.id = j.shard_id
  WHERE s.id IS NULL OR s.state = 'done'`;
const OPEN_SHARDS = `
  SELECT id, batch_id AS batchId, epoch, first_ordinal AS first, count, succeeded, failed, has_journal AS hasJournal
  FROM shard WHERE state <> 'done' AND (has_journal = 1 OR succeeded + failed > 0 OR id IN (SELECT shard_id FROM journal))`;
const ROWS = `
  SELECT epoch, sequence, outcomes, coalesce(blob_length, length(bytes)) AS length, blob_name AS name,
    blob_offset AS offset, checksum FROM journal WHERE shard_id = ?`;

interface OpenShard {
  readonly id: number;
  readonly batchId: string;
  readonly epoch: number;
  readonly first: number;
  readonly count: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly hasJournal: number;
}

/** Whether each journal belongs to an open shard whose counts are its outcomes. */
export function* inspectJournals(db: Sqlite): Generator<Damage> {
  type Stray = { shardId: number; state: string | null };
  for (const { shardId, state } of db.prepare(STRAY).iterate() as IterableIterator<Stray>) {
    yield {
      kind: 'stray-journal',
      subject: `shard ${shardId}`,
      detail: `It is ${state ?? 'gone'} and has journal rows, which nobody will ever read.`,
      repair: { kind: 'delete-journal', shardId },
    };
  }
  const rowsOf = db.prepare(ROWS);
  for (const shard of db.prepare(OPEN_SHARDS).iterate() as IterableIterator<OpenShard>) {
    const rows = rowsOf.all(shard.id) as EncodedIndexRow[];
    const subject = `shard ${shard.id} of job ${shard.batchId}`;
    for (const detail of faultsOf(shard, rows)) yield { kind: 'counts', subject, detail, repair: null };
  }
}

function* faultsOf(shard: OpenShard, encoded: readonly EncodedIndexRow[]): Generator<string> {
  const rows = encoded.map(decodeIndexRow);
  const outcomes = rows.flatMap((row) => row.outcomes);
  const succeeded = outcomes.filter(({ kind }) => kind === 'succeeded').length;
  const failed = outcomes.length - succeeded;
  if (succeeded !== shard.succeeded || failed !== shard.failed) {
    yield `It counts ${shard.succeeded} succeeded and ${shard.failed} failed requests; its journal has ${succeeded} and ${failed}.`;
  }
  if (rows.length > 0 !== (shard.hasJournal === 1)) {
    yield `Its row says that it has ${shard.hasJournal === 1 ? 'a' : 'no'} journal, and it has ${rows.length} rows.`;
  }
  if (new Set(outcomes.map(({ ordinal }) => ordinal)).size < outcomes.length) {
    yield 'Its journal has two outcomes of one request.';
  }
  const isForeign = ({ ordinal }: { ordinal: number }): boolean =>
    ordinal < shard.first || ordinal >= shard.first + shard.count;
  const foreign = outcomes.find(isForeign);
  if (foreign !== undefined)
    yield `Its journal has an outcome of request ${foreign.ordinal}, which is not its.`;
  for (const { epoch, sequence, length, outcomes: ofRow } of rows) {
    const lines = ofRow.reduce((sum, outcome) => sum + outcome.length, 0);
    if (lines !== length) {
      yield `Journal row ${epoch}/${sequence} has ${length} bytes, and lines of ${lines}.`;
    }
    if (epoch > shard.epoch) yield `Journal row ${epoch}/${sequence} is of a lease that was never given.`;
  }
}

/** The bytes outside the database that journals name: folded rows, and large lines. */
export function* journalRanges(db: Sqlite): Generator<InspectedRange> {
  const shards = db.prepare(`
    SELECT id, batch_id AS batchId FROM shard WHERE state <> 'done' AND id IN (SELECT shard_id FROM journal)`);
  const rowsOf = db.prepare(ROWS);
  for (const shard of shards.iterate() as IterableIterator<{ id: number; batchId: string }>) {
    const subject = `journal of shard ${shard.id} of job ${shard.batchId}`;
    for (const row of rowsOf.iterate(shard.id) as IterableIterator<EncodedIndexRow>) {
      const { blob, outcomes } = decodeIndexRow(row);
      const inRow = outcomes.filter((outcome) => outcome.blob === null).length;
      if (blob !== null) yield { subject, blob, lines: inRow };
      for (const { blob: line } of outcomes) if (line !== null) yield { subject, blob: line, lines: 1 };
    }
  }
}
