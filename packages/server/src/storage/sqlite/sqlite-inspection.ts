import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import type { ManifestPart } from '../ports/blob-names.ts';
import type {
  Damage,
  DatabaseRepair,
  InspectedExtent,
  InspectedFile,
  InspectedRange,
  Inspection,
} from '../ports/inspection.ts';
import { blobFrom, type BlobColumns } from './blob-columns.ts';
import { existingDatabase } from './database-file.ts';
import { lockFolder } from './folder-lock.ts';
import { inspectCounts } from './inspect-counts.ts';
import { inspectJournals, journalRanges } from './inspect-journals.ts';
import { inspectNames, noteReferences } from './inspect-names.ts';
import { refuseOtherSchema } from './migrate.ts';

/**
 * Opens the database of a folder that no Bora runs on.
 * @throws DatabaseRefused `data_folder_missing`, `data_folder_in_use`, `data_folder_newer`, `data_folder_older`.
 */
export function openSqliteInspection(folder: string, now: number): Inspection {
  const file = existingDatabase(folder);
  const lock = lockFolder(join(folder, 'lock.sqlite'), now);
  try {
    const db = new SqliteDatabase(file, { fileMustExist: true });
    refuseOtherSchema(db);
    return new SqliteInspection(db, lock, now);
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

const BLOB = 'length, blob_name, blob_offset, checksum, bytes';
const LIVING_FILE = 'file_id IN (SELECT id FROM file WHERE hidden_at IS NULL)';
/** Bytes beside the manifests of living files; `lines` where they are result lines. */
const OTHER_RANGES = `
  SELECT 'file ' || file_id AS subject, NULL AS lines, ${BLOB} FROM file_part WHERE NOT ${LIVING_FILE}
  UNION ALL SELECT 'line index of file ' || file_id, NULL, ${BLOB} FROM file_cuts
  UNION ALL SELECT 'part ' || id || ' of upload ' || upload_id, NULL, ${BLOB} FROM upload_part
  UNION ALL SELECT 'shard ' || shard_id || ' of job ' || batch_id, lines, ${BLOB.replace('length', 'shard_part.length')}
    FROM shard_part JOIN shard ON shard.id = shard_id`;

class SqliteInspection implements Inspection {
  readonly #db: SqliteDatabase.Database;
  readonly #lock: Disposable;
  readonly #now: number;

  constructor(db: SqliteDatabase.Database, lock: Disposable, now: number) {
    this.#db = db;
    this.#lock = lock;
    this.#now = now;
    noteReferences(db);
  }

  extent(): InspectedExtent {
    return this.#db
      .prepare(
        `SELECT (SELECT count(*) FROM file) AS files, (SELECT count(*) FROM batch) AS batches,
           count(*) AS ranges, coalesce(sum(length), 0) AS bytes FROM reference`,
      )
      .get() as InspectedExtent;
  }

  *damages(): Generator<Damage> {
    yield* inspectFile(this.#db);
    yield* inspectCounts(this.#db);
    yield* inspectJournals(this.#db);
    yield* inspectNames(this.#db);
  }

  *files(): Generator<InspectedFile> {
    const rows = this.#db
      .prepare(
        `SELECT id, file.bytes, num_lines AS numLines, signature, sample_type IN ('batch_result', 'batch_error') AS isResult,
           line_index ->> '$.requests' AS indexedRequests
         FROM file WHERE hidden_at IS NULL ORDER BY id`,
      )
      .iterate() as IterableIterator<
      Omit<InspectedFile, 'cuts' | 'parts' | 'isResult'> & { isResult: number }
    >;
    const cuts = this.#db.prepare(`SELECT ${BLOB} FROM file_cuts WHERE file_id = ?`);
    for (const { isResult, ...row } of rows) {
      const found = cuts.get(row.id) as BlobColumns | undefined;
      yield {
        ...row,
        isResult: isResult === 1,
        cuts: found === undefined ? null : blobFrom(found),
        parts: () => this.#parts(row.id),
      };
    }
  }

  *ranges(): Generator<InspectedRange> {
    type Row = BlobColumns & { subject: string; lines: number | null };
    for (const row of this.#db.prepare(OTHER_RANGES).iterate() as IterableIterator<Row>) {
      yield { subject: row.subject, lines: row.lines, blob: blobFrom(row) };
    }
    yield* journalRanges(this.#db);
  }

  knows(object: string): boolean {
    return this.#db.prepare('SELECT 1 FROM blob_name WHERE name = ?').get(object) !== undefined;
  }

  repair(repairs: readonly DatabaseRepair[]): void {
    const release = this.#db.prepare(
      `UPDATE blob_name SET state = 'released', changed_at = ? WHERE name = ?`,
    );
    const forget = this.#db.prepare(
      `DELETE FROM journal WHERE shard_id = :shard
       AND NOT EXISTS (SELECT 1 FROM shard WHERE id = :shard AND state <> 'done')`,
    );
    this.#db
      .transaction(() => {
        for (const repair of repairs) {
          if (repair.kind === 'release-name') release.run(this.#now, repair.object);
          else forget.run({ shard: repair.shardId });
        }
      })
      .immediate();
  }

  [Symbol.dispose](): void {
    this.#db.close();
    this.#lock[Symbol.dispose]();
  }

  *#parts(fileId: string): Generator<ManifestPart> {
    const rows = this.#db
      .prepare(`SELECT start, ${BLOB} FROM file_part WHERE file_id = ? ORDER BY start`)
      .iterate(fileId) as IterableIterator<BlobColumns & { start: number }>;
    for (const row of rows) yield { start: row.start, length: row.length, blob: blobFrom(row) };
  }
}

/** Whether SQLite finds its own file sound. Journal rows without a shard are told apart, with their repair. */
function* inspectFile(db: SqliteDatabase.Database): Generator<Damage> {
  const faults = db.pragma('integrity_check(20)') as { integrity_check: string }[];
  for (const { integrity_check: detail } of faults) {
    if (detail !== 'ok') yield { kind: 'database', subject: 'bora.sqlite', detail, repair: null };
  }
  const orphans = db.pragma('foreign_key_check') as { table: string; rowid: number | null; parent: string }[];
  for (const { table, rowid, parent } of orphans) {
    if (table === 'journal') continue;
    const detail = `Row ${rowid ?? ''} of ${table} refers to a row of ${parent} that is not there.`;
    yield { kind: 'database', subject: table, detail, repair: null };
  }
}
