import type { Dialect } from '../ports/batch-records.ts';
import type { ClaimedShard, ResultPart, ShardClaim, ShardCommit, ShardQueue } from '../ports/shard-queue.ts';
import { blobLength, blobValues, ownBlob } from './blob-columns.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { beginFinalise } from './task-store.ts';

/** Virtual time is charged in estimated tokens: four bytes of input each. */
const BYTES_PER_TOKEN = 4;

export function shardStore(context: StoreContext): Synchronous<ShardQueue> {
  return {
    claimShards(claim) {
      const turns = claimableBatches(context, claim);
      const claimed: ClaimedShard[] = [];
      while (claimed.length < claim.limit) {
        const turn = turns.reduce<Turn | null>(
          (least, next) => (least === null || next.vtime < least.vtime ? next : least),
          null,
        );
        if (turn === null) break;
        const shard = claimNextOf(context, turn, claim);
        if (shard === null) {
          turns.splice(turns.indexOf(turn), 1);
          continue;
        }
        claimed.push(shard);
        turn.vtime += shard.length / BYTES_PER_TOKEN / turn.weight;
        run(context, 'UPDATE workspace SET vtime = ? WHERE id = ?', turn.vtime, turn.workspaceId);
      }
      return claimed;
    },

    claimDrain(session, limit) {
      const rows = all<{ id: number }>(
        context,
        `SELECT s.id FROM batch b JOIN shard s ON s.batch_id = b.id
         WHERE b.state IN ('cancelling', 'expiring') AND s.state IN ('queued', 'parked') LIMIT ?`,
        limit,
      );
      return rows.map(({ id }) => lease(context, id, session));
    },

    drainUntouched(limit) {
      const rows = all<{ id: number; batchId: string }>(
        context,
        `SELECT s.id, s.batch_id AS batchId FROM batch b JOIN shard s ON s.batch_id = b.id
         WHERE b.state IN ('cancelling', 'expiring') AND b.dialect = 'mistral'
           AND s.state IN ('queued', 'parked') AND s.has_journal = 0 LIMIT ?`,
        limit,
      );
      for (const { id, batchId } of rows) {
        run(context, `UPDATE shard SET state = 'done' WHERE id = ?`, id);
        run(context, 'UPDATE batch SET remaining = remaining - 1 WHERE id = ?', batchId);
      }
      for (const batchId of new Set(rows.map((row) => row.batchId))) beginFinalise(context, batchId);
      return rows.length;
    },

    releaseShards(session, releases) {
      for (const { shardId, epoch, parked } of releases) {
        run(
          context,
          `UPDATE shard SET state = ?, session = NULL, parked_route = ?, parked_reason = ?
           WHERE id = ? AND epoch = ? AND session = ?`,
          parked === undefined ? 'queued' : 'parked',
          parked?.route ?? null,
          parked?.reason ?? null,
          shardId,
          epoch,
          session,
        );
      }
      context.hint({ kind: 'work' });
    },

    commitShards(session, commits) {
      return commits.map((commit) => commitShard(context, session, commit));
    },
  };
}

/** A workspace's place in the round, with its batches in the order in which they are served. */
interface Turn {
  readonly workspaceId: string;
  readonly weight: number;
  vtime: number;
  readonly batches: { id: string; leased: number }[];
}

function claimableBatches(context: StoreContext, claim: ShardClaim): Turn[] {
  const rows = all<{ id: string; workspaceId: string; vtime: number; weight: number; leased: number }>(
    context,
    `SELECT b.id, b.workspace_id AS workspaceId, w.vtime, w.weight,
       (SELECT count(*) FROM shard s WHERE s.session = :session AND s.batch_id = b.id) AS leased
     FROM batch b JOIN workspace w ON w.id = b.workspace_id
     WHERE b.state IN ('queued', 'running')
       AND (:any OR b.routes IS NULL OR EXISTS (SELECT 1 FROM batch_route r WHERE r.batch_id = b.id
              AND r.route IN (SELECT value FROM json_each(:routes))))
       AND EXISTS (SELECT 1 FROM shard s WHERE s.batch_id = b.id AND s.state IN ('queued', 'parked'))
     ORDER BY b.workspace_id, b.priority, b.deadline_at, b.created_at, b.id`,
    { session: claim.session, ...routeValues(claim) },
  );
  const turns = new Map<string, Turn>();
  for (const { id, workspaceId, vtime, weight, leased } of rows) {
    const turn = turns.get(workspaceId) ?? { workspaceId, weight, vtime, batches: [] };
    turn.batches.push({ id, leased });
    turns.set(workspaceId, turn);
  }
  return [...turns.values()];
}

function routeValues(claim: ShardClaim): { any: number; routes: string } {
  return claim.routes === 'any' ? { any: 1, routes: '[]' } : { any: 0, routes: JSON.stringify(claim.routes) };
}

function claimNextOf(context: StoreContext, turn: Turn, claim: ShardClaim): ClaimedShard | null {
  for (let batch = turn.batches[0]; batch !== undefined; batch = turn.batches[0]) {
    const next =
      batch.leased >= claim.perBatch
        ? undefined
        : first<{ id: number }>(
            context,
            `SELECT id FROM shard WHERE batch_id = :batch AND (state = 'queued' OR state = 'parked'
               AND (:any OR parked_route IN (SELECT value FROM json_each(:routes))))
             AND state IN ('queued', 'parked') ORDER BY number LIMIT 1`,
            { batch: batch.id, ...routeValues(claim) },
          );
    if (next !== undefined) {
      batch.leased += 1;
      run(
        context,
        `UPDATE batch SET state = 'running', started_at = coalesce(started_at, ?) WHERE id = ? AND state = 'queued'`,
        context.now(),
        batch.id,
      );
      return lease(context, next.id, claim.session);
    }
    turn.batches.shift();
  }
  return null;
}

interface LeasedRow {
  readonly id: number;
  readonly number: number;
  readonly epoch: number;
  readonly first_ordinal: number;
  readonly count: number;
  readonly file_id: string;
  readonly start: number;
  readonly length: number;
  readonly first_line: number;
  readonly deaths: number;
  readonly has_journal: number;
  readonly batch_id: string;
  readonly workspace_id: string;
  readonly dialect: Dialect;
  readonly endpoint: string;
  readonly model: string | null;
  readonly deadline_at: number;
}

/** Takes a free shard; the caller found it free in the same transaction, and transactions are serial. */
function lease(context: StoreContext, shardId: number, session: string): ClaimedShard {
  run(
    context,
    `UPDATE shard SET state = 'leased', session = ?, epoch = epoch + 1, parked_route = NULL, parked_reason = NULL
     WHERE id = ? AND state IN ('queued', 'parked')`,
    session,
    shardId,
  );
  const row = first<LeasedRow>(
    context,
    `SELECT s.*, i.file_id, b.workspace_id, b.dialect, b.endpoint, b.model, b.deadline_at
     FROM shard s JOIN batch b ON b.id = s.batch_id
       JOIN batch_input i ON i.batch_id = s.batch_id AND i.position = s.input
     WHERE s.id = ?`,
    shardId,
  )!;
  return {
    id: row.id,
    number: row.number,
    epoch: row.epoch,
    firstOrdinal: row.first_ordinal,
    count: row.count,
    fileId: row.file_id,
    start: row.start,
    length: row.length,
    firstLine: row.first_line,
    deaths: row.deaths,
    journaled: row.has_journal === 1,
    batch: {
      id: row.batch_id,
      workspaceId: row.workspace_id,
      dialect: row.dialect,
      endpoint: row.endpoint,
      model: row.model,
      deadlineAt: row.deadline_at,
    },
  };
}

function commitShard(context: StoreContext, session: string, commit: ShardCommit): 'committed' | 'fenced' {
  const { shardId, epoch, parts } = commit;
  const shard = first<{
    batch_id: string;
    succeeded: number;
    failed: number;
    input_tokens: number;
    output_tokens: number;
  }>(
    context,
    `UPDATE shard SET state = 'done', session = NULL WHERE id = ? AND epoch = ? AND session = ?
     RETURNING batch_id, succeeded, failed, input_tokens, output_tokens`,
    shardId,
    epoch,
    session,
  );
  if (shard === undefined) return isRepeat(context, commit) ? 'committed' : 'fenced';

  checkLines(shardId, parts, 'output', shard.succeeded);
  checkLines(shardId, parts, 'error', shard.failed);
  takeParts(context, commit, session);
  run(context, 'DELETE FROM journal WHERE shard_id = ?', shardId);
  for (const [message, count] of Object.entries(commit.errors)) {
    run(
      context,
      `INSERT INTO batch_error (batch_id, message, count) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET count = count + excluded.count`,
      shard.batch_id,
      message,
      count,
    );
  }
  run(
    context,
    `UPDATE batch SET remaining = remaining - 1, succeeded = succeeded + ?, failed = failed + ?,
       input_tokens = input_tokens + ?, output_tokens = output_tokens + ? WHERE id = ?`,
    shard.succeeded,
    shard.failed,
    shard.input_tokens,
    shard.output_tokens,
    shard.batch_id,
  );
  beginFinalise(context, shard.batch_id);
  return 'committed';
}

/** Owns the parts' blobs. What the journal owned beside them (an outcome that came second) goes to collection. */
function takeParts(context: StoreContext, { shardId, parts }: ShardCommit, session: string): void {
  const owner = `shard/${shardId}`;
  for (const [position, part] of parts.entries()) {
    ownBlob(context, part.blob, session, owner);
    run(
      context,
      `INSERT INTO shard_part (shard_id, position, kind, lines, length, blob_name, blob_offset, checksum, bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      shardId,
      position,
      part.kind,
      part.lines,
      ...blobValues(part.blob),
    );
  }
  run(
    context,
    `UPDATE blob_name SET state = 'released', changed_at = ? WHERE owner = ? AND state = 'owned'
     AND name NOT IN (SELECT blob_name FROM shard_part WHERE shard_id = ? AND blob_name IS NOT NULL)`,
    context.now(),
    owner,
    shardId,
  );
}

/** Result lines must equal the counts that progress has shown; anything else is a defect of ours and undoes the commit. */
function checkLines(
  shardId: number,
  parts: readonly ResultPart[],
  kind: ResultPart['kind'],
  counted: number,
): void {
  const lines = parts.filter((part) => part.kind === kind).reduce((sum, part) => sum + part.lines, 0);
  if (lines !== counted) {
    throw new Error(
      `Shard ${shardId} would commit ${lines} ${kind} lines where its journal counted ${counted}.`,
    );
  }
}

function isRepeat(context: StoreContext, { shardId, epoch, parts }: ShardCommit): boolean {
  const done = first(
    context,
    `SELECT 1 FROM shard WHERE id = ? AND epoch = ? AND state = 'done'`,
    shardId,
    epoch,
  );
  if (done === undefined) return false;
  const stored = all<{ kind: string; length: number; blob_name: string | null }>(
    context,
    'SELECT kind, length, blob_name FROM shard_part WHERE shard_id = ? ORDER BY position',
    shardId,
  );
  return (
    stored.length === parts.length &&
    stored.every(({ kind, length, blob_name }, place) => {
      const part = parts[place];
      const name = part.blob.kind === 'object' ? part.blob.name : null;
      return kind === part.kind && length === blobLength(part.blob) && blob_name === name;
    })
  );
}
