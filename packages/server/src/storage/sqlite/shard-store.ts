import type { OutcomeSums } from '../ports/journal.ts';
import type { ResultPart, ShardCommit, ShardQueue } from '../ports/shard-queue.ts';
import { clearSending } from './attempt-store.ts';
import { blobLength, blobValues, ownBlob } from './blob-columns.ts';
import { claimDrain, claimShards } from './shard-claims.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { beginFinalise } from './task-store.ts';

const NONE: OutcomeSums = { succeeded: 0, failed: 0, inputTokens: 0, outputTokens: 0 };

export function shardStore(context: StoreContext): Synchronous<ShardQueue> {
  return {
    claimShards: (claim) => claimShards(context, claim),
    claimDrain: (session, limit) => claimDrain(context, session, limit),

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
        const released = run(
          context,
          `UPDATE shard SET state = ?, session = NULL, parked_routes = ?, parked_until = ?, parked_reason = ?
           WHERE id = ? AND epoch = ? AND session = ?`,
          parked === undefined ? 'queued' : 'parked',
          parked !== undefined && 'routes' in parked ? JSON.stringify(parked.routes) : null,
          parked !== undefined && 'ms' in parked ? context.now() + parked.ms : null,
          parked?.reason ?? null,
          shardId,
          epoch,
          session,
        );
        if (released === 1) clearSending(context, shardId);
      }
      context.hint({ kind: 'work' });
    },

    commitShards(session, commits) {
      return commits.map((commit) => commitShard(context, session, commit));
    },
  };
}

function commitShard(context: StoreContext, session: string, commit: ShardCommit): 'committed' | 'fenced' {
  const { shardId, epoch, parts, unjournaled = NONE, drained = 0 } = commit;
  const shard = first<{
    batch_id: string;
    count: number;
    succeeded: number;
    failed: number;
    input_tokens: number;
    output_tokens: number;
    cached_tokens: number;
    reasoning_tokens: number;
  }>(
    context,
    `UPDATE shard SET state = 'done', session = NULL, succeeded = succeeded + ?, failed = failed + ?,
       input_tokens = input_tokens + ?, output_tokens = output_tokens + ?,
       cached_tokens = cached_tokens + ?, reasoning_tokens = reasoning_tokens + ?
     WHERE id = ? AND epoch = ? AND session = ?
     RETURNING batch_id, count, succeeded, failed, input_tokens, output_tokens, cached_tokens, reasoning_tokens`,
    unjournaled.succeeded,
    unjournaled.failed,
    unjournaled.inputTokens,
    unjournaled.outputTokens,
    unjournaled.cachedTokens ?? 0,
    unjournaled.reasoningTokens ?? 0,
    shardId,
    epoch,
    session,
  );
  if (shard === undefined) return isRepeat(context, commit) ? 'committed' : 'fenced';

  checkLines(shardId, parts, 'output', shard.succeeded);
  checkLines(shardId, parts, 'error', shard.failed + drained);
  if (drained > 0) checkWhole(shardId, shard.succeeded + shard.failed + drained, shard.count);
  takeParts(context, commit, session);
  run(context, 'DELETE FROM journal WHERE shard_id = ?', shardId);
  run(context, 'DELETE FROM attempt WHERE shard_id = ?', shardId);
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
       input_tokens = input_tokens + ?, output_tokens = output_tokens + ?,
       cached_tokens = cached_tokens + ?, reasoning_tokens = reasoning_tokens + ? WHERE id = ?`,
    shard.succeeded,
    shard.failed,
    shard.input_tokens,
    shard.output_tokens,
    shard.cached_tokens,
    shard.reasoning_tokens,
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
    throw new Error(`Shard ${shardId} would commit ${lines} ${kind} lines where its counts say ${counted}.`);
  }
}

function checkWhole(shardId: number, lines: number, requests: number): void {
  if (lines === requests) return;
  throw new Error(`Shard ${shardId} was drained to ${lines} lines, but has ${requests} requests.`);
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
