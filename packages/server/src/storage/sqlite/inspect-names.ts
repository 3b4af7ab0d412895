import type { Database as Sqlite } from 'better-sqlite3';
import type { Damage } from '../ports/inspection.ts';

/**
 * Notes every place that names bytes in a temporary table; `name` is null where they lie in the database itself. Two questions are asked
 * of it: whether each named object is owned by who names it, and whether each owned object is named.
 */
export function noteReferences(db: Sqlite): void {
  db.exec(`
    CREATE TEMP TABLE reference (name TEXT, owner TEXT NOT NULL, length INTEGER NOT NULL) STRICT;
    INSERT INTO reference
      SELECT blob_name, 'file/' || file_id, length FROM file_part
      UNION ALL SELECT blob_name, 'file/' || file_id, length FROM file_cuts
      UNION ALL SELECT blob_name, 'upload/' || upload_id, length FROM upload_part
      UNION ALL SELECT blob_name, 'shard/' || shard_id, length FROM shard_part
      UNION ALL SELECT blob_name, 'shard/' || shard_id, blob_length FROM journal WHERE blob_name IS NOT NULL
      UNION ALL SELECT outcome.value ->> '$[6].name', 'shard/' || shard_id, outcome.value ->> '$[6].length'
        FROM journal, json_each(journal.outcomes) AS outcome WHERE outcome.value ->> '$[6].name' IS NOT NULL;
    CREATE INDEX temp.reference_by_name ON reference (name);`);
}

/** A file whose purge has begun keeps its names until the last of its parts is gone. */
const LEAKED = `
  SELECT name, state, owner FROM blob_name
  WHERE state = 'owned' AND name NOT IN (SELECT name FROM reference WHERE name IS NOT NULL)
      AND owner NOT IN (SELECT 'file/' || id FROM file WHERE hidden_at IS NOT NULL)
    OR state = 'writing' AND owner NOT IN (SELECT id FROM session)`;

const UNOWNED = `
  SELECT DISTINCT r.name, r.owner, b.state, b.owner AS holder
  FROM reference r LEFT JOIN blob_name b ON b.name = r.name
  WHERE r.name IS NOT NULL AND (b.name IS NULL OR b.state <> 'owned' OR b.owner <> r.owner)`;

interface NameRow {
  readonly name: string;
  readonly owner: string;
  readonly state: string | null;
}

/** Names that are owned by nobody who names them, and the other way round. */
export function* inspectNames(db: Sqlite): Generator<Damage> {
  for (const { name, owner, state } of db.prepare(LEAKED).iterate() as IterableIterator<NameRow>) {
    yield {
      kind: 'leaked-name',
      subject: `object ${name}`,
      detail: `It is ${state} by ${owner}, which does not name it; nobody would ever delete its bytes.`,
      repair: { kind: 'release-name', object: name },
    };
  }
  type Row = NameRow & { readonly holder: string | null };
  for (const { name, owner, state, holder } of db.prepare(UNOWNED).iterate() as IterableIterator<Row>) {
    const now = state === null ? 'the database does not know its name' : `it is ${state} by ${holder}`;
    const detail = `${owner} names it, but ${now}; its bytes may be deleted.`;
    yield { kind: 'blob-unowned', subject: `object ${name}`, detail, repair: null };
  }
}
