import type { Database as Sqlite } from 'better-sqlite3';
import type { Damage, DamageKind } from '../ports/inspection.ts';

const ENDED = `('completed', 'failed', 'expired', 'cancelled')`;
/** A stopped batch of OpenAI's dialect has an error line for each request without an outcome, and counts it nowhere. */
const IS_DRAINED = `(b.dialect = 'openai' AND b.end_reason IN ('cancelled', 'expired'))`;
/** Shards of each batch that has not ended. */
const SHARDS = `
  SELECT b.id, b.state, b.remaining, b.succeeded, b.failed, b.total_requests AS total,
    count(s.id) FILTER (WHERE s.state <> 'done') AS open,
    coalesce(sum(s.succeeded) FILTER (WHERE s.state = 'done'), 0) AS doneSucceeded,
    coalesce(sum(s.failed) FILTER (WHERE s.state = 'done'), 0) AS doneFailed,
    coalesce(sum(s.count), 0) AS requests
  FROM batch b LEFT JOIN shard s ON s.batch_id = b.id WHERE b.state NOT IN ${ENDED} GROUP BY b.id`;

/** Each query answers a subject and a detail for whatever does not agree. */
const QUERIES: readonly (readonly [kind: DamageKind, sql: string])[] = [
  [
    'counts',
    `SELECT 'shard ' || s.id || ' of job ' || s.batch_id AS subject,
       format('It counts %d succeeded and %d failed requests; its results have %d and %d lines.',
         s.succeeded, s.failed, p.output, p.error) AS detail
     FROM shard s JOIN (SELECT s.id, coalesce(sum(lines) FILTER (WHERE kind = 'output'), 0) AS output,
         coalesce(sum(lines) FILTER (WHERE kind = 'error'), 0) AS error
       FROM shard s LEFT JOIN shard_part ON shard_id = s.id WHERE s.state = 'done' GROUP BY s.id) p ON p.id = s.id
       JOIN batch b ON b.id = s.batch_id
     WHERE s.succeeded <> p.output
       OR iif(${IS_DRAINED} AND p.error > s.failed, s.count - s.succeeded, s.failed) <> p.error`,
  ],
  [
    'counts',
    `SELECT 'job ' || id AS subject, format('It counts %d succeeded and %d failed requests; its done shards have %d and %d.',
       succeeded, failed, doneSucceeded, doneFailed) AS detail
     FROM (${SHARDS}) WHERE succeeded <> doneSucceeded OR failed <> doneFailed`,
  ],
  [
    'counts',
    `SELECT 'job ' || id AS subject, format('%d of its shards remain by its count, and %d are open%s.', remaining, open,
       iif(state = 'validating', ' beside its plan', '')) AS detail
     FROM (${SHARDS}) WHERE remaining <> open + (state = 'validating')`,
  ],
  [
    'counts',
    `SELECT 'job ' || id AS subject, format('It has %d requests; its shards have %d.', total, requests) AS detail
     FROM (${SHARDS}) WHERE state <> 'validating' AND total <> requests`,
  ],
  [
    'counts',
    `SELECT 'job ' || batch_id AS subject, format('Its shard %d begins at request %d; the one before ends at %d.',
       number, first_ordinal, expected) AS detail
     FROM (SELECT *, lag(first_ordinal + count, 1, 0) OVER (PARTITION BY batch_id ORDER BY number) AS expected FROM shard)
     WHERE first_ordinal <> expected`,
  ],
  [
    'counts',
    `SELECT 'job ' || b.id AS subject, format('It counts %d %s requests; its file %s has %d lines.',
       b.counted, b.kind, f.id, f.num_lines) AS detail
     FROM (SELECT id, 'succeeded' AS kind, succeeded AS counted, output_file_id AS file_id FROM batch
       UNION ALL SELECT id, 'failed', iif(${IS_DRAINED}, total_requests - succeeded, failed), error_file_id FROM batch b) b JOIN file f ON f.id = b.file_id
     WHERE b.counted <> f.num_lines`,
  ],
  [
    'counts',
    `SELECT 'job ' || id AS subject,
       format('It ended as %s with %d succeeded and %d failed of %d requests.', state, succeeded, failed, total_requests) AS detail
     FROM batch WHERE state = 'completed' AND succeeded + failed <> total_requests
       OR state IN ${ENDED} AND (succeeded > 0 AND output_file_id IS NULL OR failed > 0 AND error_file_id IS NULL)`,
  ],
  [
    'counts',
    `SELECT 'file ' || id AS subject, format('It has %d bytes; its parts have %d, to %d.', f.bytes, p.sum, p.last) AS detail
     FROM file f JOIN (SELECT f.id AS file_id, coalesce(sum(length), 0) AS sum, coalesce(max(start + length), 0) AS last
       FROM file f LEFT JOIN file_part ON file_id = f.id GROUP BY f.id) p ON p.file_id = f.id
     WHERE f.hidden_at IS NULL AND (f.bytes <> p.sum OR f.bytes <> p.last)`,
  ],
  [
    'stuck',
    `SELECT 'job ' || b.id AS subject, format('It is %s, and there is no task that would go on with it.', b.state) AS detail
     FROM batch b WHERE b.state IN ('validating', 'finalizing') AND NOT EXISTS (SELECT 1 FROM task
       WHERE subject_id = b.id AND done = 0 AND kind = iif(b.state = 'validating', 'plan', 'finalise'))`,
  ],
  [
    'stuck',
    `SELECT 'job ' || id AS subject, format('It is %s, and no shard of it is open.', state) AS detail
     FROM batch WHERE state IN ('queued', 'running', 'cancelling', 'expiring') AND remaining = 0`,
  ],
  [
    'stuck',
    `SELECT h.kind || ' ' || h.id AS subject, 'It was deleted, and there is no task that would remove it.' AS detail
     FROM (SELECT 'file' AS kind, id FROM file WHERE hidden_at IS NOT NULL
       UNION ALL SELECT 'batch', id FROM batch WHERE hidden_at IS NOT NULL) h
     WHERE NOT EXISTS (SELECT 1 FROM task WHERE kind = 'purge-' || h.kind AND subject_id = h.id AND done = 0)`,
  ],
];

/** Whether counts, shards, files and tasks agree with each other. */
export function* inspectCounts(db: Sqlite): Generator<Damage> {
  for (const [kind, sql] of QUERIES) {
    const rows = db.prepare(sql).iterate() as IterableIterator<{ subject: string; detail: string }>;
    for (const row of rows) yield { kind, ...row, repair: null };
  }
}
