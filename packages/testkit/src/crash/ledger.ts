import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';

/** What a data folder says of a batch while no process holds it. */
export interface LedgerEntry {
  readonly batchId: string;
  readonly state: string;
  readonly isEnded: boolean;
  /**
   * Ordinals whose outcome is durable with its bytes: journaled in open shards, or in committed ones. Of an ended batch, whose shards
   * are gone, and of committed shards that were drained they are as many as there are, but not always the right ones.
   */
  readonly settled: ReadonlySet<number>;
  /** Counts as progress would show them. */
  readonly counted: number;
}

interface BatchRow {
  readonly id: string;
  readonly state: string;
  readonly counted: number;
  readonly total: number;
  readonly ended: number;
  /** It ended early, in a dialect that wants a line for each request all the same. */
  readonly drains: number;
}

interface ShardRow {
  readonly id: number;
  readonly state: string;
  readonly first: number;
  readonly count: number;
  readonly counted: number;
  readonly lines: number;
}

/**
 * Reads the truth behind the guarantees straight from the database of a dead process. Counts and lines are read apart, so that
 * a count without its outcome shows.
 */
export function readLedger(dataFolder: string): LedgerEntry[] {
  using db = new ClosingDatabase(join(dataFolder, 'bora.sqlite'));
  const sizes = objectSizes(join(dataFolder, 'blobs'));
  const batches = db.all<BatchRow>(
    `SELECT id, state, succeeded + failed + coalesce((SELECT sum(succeeded + failed) FROM shard
       WHERE batch_id = batch.id AND state <> 'done'), 0) AS counted,
       coalesce(total_requests, 0) AS total, ended_at IS NOT NULL AS ended,
       dialect = 'openai' AND end_reason IN ('cancelled', 'expired') AS drains FROM batch`,
  );
  return batches.map(({ id, state, counted, total, ended, drains }) => {
    const settled = new Set<number>();
    if (ended === 1) {
      for (let ordinal = 0; ordinal < Math.min(counted, total); ordinal++) settled.add(ordinal);
    }
    for (const shard of shardsOf(db, id)) {
      if (shard.state === 'done') {
        // Drained to a line for each request, it holds lines that are no outcomes and count nowhere.
        const outcomes = drains === 1 && shard.lines === shard.count ? shard.counted : shard.lines;
        for (let place = 0; place < outcomes; place++) settled.add(shard.first + place);
      }
      for (const { outcomes, name, end } of journalOf(db, shard.id)) {
        if (name !== null && (sizes.get(name) ?? 0) < end) continue;
        for (const [ordinal] of JSON.parse(outcomes) as [number][]) settled.add(ordinal);
      }
    }
    return { batchId: id, state, isEnded: ended === 1, settled, counted };
  });
}

function shardsOf(db: ClosingDatabase, batchId: string): ShardRow[] {
  return db.all<ShardRow>(
    `SELECT id, state, first_ordinal AS first, count, succeeded + failed AS counted,
       coalesce((SELECT sum(lines) FROM shard_part WHERE shard_id = shard.id), 0) AS lines
     FROM shard WHERE batch_id = '${batchId}'`,
  );
}

interface JournalRow {
  readonly outcomes: string;
  /** The object that a folded row lies in, and where it ends there; null and 0 for others. */
  readonly name: string | null;
  readonly end: number;
}

function journalOf(db: ClosingDatabase, shardId: number): JournalRow[] {
  return db.all<JournalRow>(
    `SELECT outcomes, blob_name AS name, coalesce(blob_offset + blob_length, 0) AS end
     FROM journal WHERE shard_id = ${shardId}`,
  );
}

function objectSizes(folder: string): Map<string, number> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  return new Map(files.map((file) => [file.name, statSync(join(file.parentPath, file.name)).size]));
}

class ClosingDatabase implements Disposable {
  readonly #db: SqliteDatabase.Database;

  constructor(file: string) {
    this.#db = new SqliteDatabase(file);
  }

  all<Row>(sql: string): Row[] {
    return this.#db.prepare(sql).all() as Row[];
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
