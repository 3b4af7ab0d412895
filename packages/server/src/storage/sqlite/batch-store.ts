import type { Actor } from '../ports/audit-records.ts';
import { NOBODY } from '../ports/audit-records.ts';
import type {
  BatchFilter,
  BatchLimits,
  BatchRecord,
  BatchRecords,
  CreateBatchResult,
  NewBatch,
  WorkCounts,
} from '../ports/batch-records.ts';
import { audit } from './audit-store.ts';
import { batchFrom } from './batch-row.ts';
import type { BatchRow } from './batch-row.ts';
import { missingNamedFile } from './file-references.ts';
import { seenBy } from './file-store.ts';
import { deadlineAfter, NO_DEADLINE } from './deadlines.ts';
import { findPlace } from './list-places.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import { stopBatch } from './stop-batch.ts';
import type { Synchronous } from './synchronous.ts';
import { addTask } from './task-store.ts';
import { ACTIVE, restartAtMinimum } from './virtual-time.ts';
import { forgetEnd } from './webhook-event-store.ts';
import { activeJobs } from './workspace-usage.ts';

const MOST_ERRORS = 100;

/**
 * Progress is committed counts plus what open shards have journaled, read in one statement: between two statements a shard could
 * commit, and its requests would be missing from both.
 */
const SELECT_BATCH = `
  SELECT b.*,
    b.succeeded + ${journaled('succeeded')} AS all_succeeded,
    b.failed + ${journaled('failed')} AS all_failed,
    b.input_tokens + ${journaled('input_tokens')} AS all_input_tokens,
    b.output_tokens + ${journaled('output_tokens')} AS all_output_tokens,
    b.cached_tokens + ${journaled('cached_tokens')} AS all_cached_tokens,
    b.reasoning_tokens + ${journaled('reasoning_tokens')} AS all_reasoning_tokens,
    (SELECT json_group_array(file_id ORDER BY position) FROM batch_input WHERE batch_id = b.id) AS inputs,
    (SELECT json_group_array(json_object('message', message, 'count', count) ORDER BY count DESC, message)
       FROM (SELECT * FROM batch_error WHERE batch_id = b.id ORDER BY count DESC, message LIMIT ${MOST_ERRORS})) AS errors,
    (SELECT json_group_array(json_object('routes', json(routes), 'reason', reason, 'shards', shards) ORDER BY shards DESC)
       FROM (SELECT parked_routes AS routes, max(parked_reason) AS reason, count(*) AS shards FROM shard
             WHERE batch_id = b.id AND state = 'parked'
             GROUP BY parked_routes, iif(parked_routes IS NULL, parked_reason, NULL))) AS parked
  FROM batch b`;

function journaled(column: string): string {
  return `coalesce((SELECT sum(s.${column}) FROM shard s
    WHERE s.batch_id = b.id AND s.has_journal = 1 AND s.state <> 'done'), 0)`;
}

export function batchStore(context: StoreContext): Synchronous<BatchRecords> {
  const read = (batchId: string): BatchRecord | null => {
    const row = first<BatchRow>(context, `${SELECT_BATCH} WHERE b.id = ?`, batchId);
    return row === undefined ? null : batchFrom(row);
  };

  return {
    createBatch(batch, limits, by = NOBODY): CreateBatchResult {
      const existing = read(batch.id);
      if (existing?.workspaceId === batch.workspaceId) return { kind: 'created', batch: existing };
      const missing = batch.inputFileIds.find((fileId) => !fileIsThere(context, batch, fileId));
      if (missing !== undefined) return { kind: 'missing-file', fileId: missing };
      const unnamed = missingNamedFile(context, batch);
      if (unnamed !== null) return unnamed;
      const refused = overLimit(context, batch, limits);
      if (refused !== null) return refused;

      if (activeJobs(context, batch.workspaceId) === 0) restartAtMinimum(context, batch.workspaceId);
      insertBatch(context, batch);
      addTask(context, 'plan', batch.id);
      auditBatch(context, by, 'create', batch);
      return { kind: 'created', batch: read(batch.id)! };
    },

    getBatch(workspaceId, batchId) {
      const row = first<BatchRow>(
        context,
        `${SELECT_BATCH} WHERE b.id = ? AND b.workspace_id = ? AND b.hidden_at IS NULL`,
        batchId,
        workspaceId,
      );
      return row === undefined ? null : batchFrom(row);
    },

    listBatches(workspaceId, filter) {
      const { where, values } = batchConditions(workspaceId, filter);
      const [direction, behind] = filter.order === 'newest-first' ? ['DESC', '<'] : ['ASC', '>'];
      const { after } = filter;
      const place = after === undefined ? [] : [after.createdAt, after.id];
      const rows = all<BatchRow>(
        context,
        `${SELECT_BATCH} WHERE ${where} ${after === undefined ? '' : `AND (b.created_at, b.id) ${behind} (?, ?)`}
         ORDER BY b.created_at ${direction}, b.id ${direction} LIMIT ? OFFSET ?`,
        ...values,
        ...place,
        filter.pageSize,
        filter.page * filter.pageSize,
      );
      const { total } = first<{ total: number }>(
        context,
        `SELECT count(*) AS total FROM batch b WHERE ${where}`,
        ...values,
      )!;
      return { batches: rows.map(batchFrom), total };
    },

    findBatchPlace: (workspaceId, batchId) => findPlace(context, 'batch', workspaceId, batchId),

    cancelBatch(workspaceId, batchId, by = NOBODY) {
      const visible = first(
        context,
        'SELECT 1 FROM batch WHERE id = ? AND workspace_id = ? AND hidden_at IS NULL',
        batchId,
        workspaceId,
      );
      if (visible === undefined) return null;
      const stopped = stopBatch(context, batchId, 'cancelled');
      const batch = read(batchId)!;
      if (stopped) auditBatch(context, by, 'cancel', batch);
      return batch;
    },

    expireBatches(limit) {
      const due = all<{ id: string }>(
        context,
        `SELECT id FROM batch WHERE state IN ('validating', 'queued', 'running') AND deadline_at <= ?
         ORDER BY deadline_at LIMIT ?`,
        context.now(),
        limit,
      );
      for (const { id } of due) stopBatch(context, id, 'expired');
      return due.map(({ id }) => id);
    },

    nextDeadline() {
      const row = first<{ next: number | null }>(
        context,
        `SELECT min(deadline_at) AS next FROM batch
         WHERE state IN ('validating', 'queued', 'running') AND deadline_at < ?`,
        NO_DEADLINE,
      );
      return row?.next ?? null;
    },

    deleteBatch(workspaceId, batchId, by = NOBODY) {
      const hidden = run(
        context,
        'UPDATE batch SET hidden_at = ? WHERE id = ? AND workspace_id = ? AND hidden_at IS NULL',
        context.now(),
        batchId,
        workspaceId,
      );
      if (hidden === 0) return false;
      forgetEnd(context, batchId);
      stopBatch(context, batchId, 'cancelled');
      addTask(context, 'purge-batch', batchId);
      auditBatch(context, by, 'delete', read(batchId)!);
      return true;
    },

    countWork(): WorkCounts {
      const counts = (text: string): Record<string, number> =>
        Object.fromEntries(
          all<{ state: string; count: number }>(context, text).map(({ state, count }) => [state, count]),
        );
      return {
        batches: counts('SELECT state, count(*) AS count FROM batch WHERE hidden_at IS NULL GROUP BY state'),
        shards: counts(
          `SELECT state, count(*) AS count FROM shard WHERE state IN ('queued', 'parked') GROUP BY state
           UNION ALL SELECT 'leased', count(*) FROM shard WHERE session IS NOT NULL`,
        ),
        journalRows: first<{ count: number }>(context, 'SELECT count(*) AS count FROM journal')!.count,
      };
    },
  };
}

function auditBatch(
  context: StoreContext,
  by: Actor,
  act: 'create' | 'cancel' | 'delete',
  { id, workspaceId, endpoint, model, totalRequests }: Omit<NewBatch, 'timeoutMs'>,
): void {
  const detail = { endpoint, model, requests: totalRequests };
  audit(context, by, { action: `batch_job.${act}`, workspaceId, subjectId: id, detail });
}

function fileIsThere(context: StoreContext, { workspaceId, createdBy }: NewBatch, fileId: string): boolean {
  const row = first(
    context,
    `SELECT 1 FROM file WHERE id = :fileId AND workspace_id = :workspaceId AND hidden_at IS NULL
       AND (expires_at IS NULL OR expires_at > :now) AND ${seenBy(':createdBy')}`,
    { fileId, workspaceId, createdBy, now: context.now() },
  );
  return row !== undefined;
}

function overLimit(
  context: StoreContext,
  batch: NewBatch,
  { maxPendingRequests, maxActiveJobs }: BatchLimits,
): CreateBatchResult | null {
  if (maxActiveJobs !== null) {
    const active = activeJobs(context, batch.workspaceId);
    if (active >= maxActiveJobs) return { kind: 'too-many-active', active, limit: maxActiveJobs };
  }
  if (maxPendingRequests === null) return null;
  const pending = pendingRequests(context, batch.workspaceId);
  const wanted = pending + (batch.totalRequests ?? 0);
  if (wanted <= maxPendingRequests) return null;
  return { kind: 'too-many-pending', pending, limit: maxPendingRequests };
}

/** Requests of unfinished batches that have no outcome yet; of a batch whose size is unknown none. */
export function pendingRequests(context: StoreContext, workspaceId: string): number {
  const { pending } = first<{ pending: number }>(
    context,
    `SELECT coalesce(sum(coalesce(total_requests, 0) - all_succeeded - all_failed), 0) AS pending
     FROM (${SELECT_BATCH} WHERE b.workspace_id = ? AND b.state IN ${ACTIVE})`,
    workspaceId,
  )!;
  return pending;
}

function insertBatch(context: StoreContext, batch: NewBatch): void {
  const now = context.now();
  run(
    context,
    `INSERT INTO batch (id, workspace_id, dialect, endpoint, model, agent_id, metadata, inline, routes, priority, created_by,
       file_member, completion_window, is_lenient, results_expire_ms, created_as, state, total_requests, created_at, deadline_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'validating', ?, ?, ?)`,
    batch.id,
    batch.workspaceId,
    batch.dialect,
    batch.endpoint,
    batch.model,
    batch.agentId,
    batch.metadata === null ? null : JSON.stringify(batch.metadata),
    batch.inline ? 1 : 0,
    batch.routes === null ? null : JSON.stringify(batch.routes),
    batch.priority,
    batch.createdBy,
    batch.fileMember ?? null,
    batch.completionWindow ?? null,
    batch.isLenient === true ? 1 : 0,
    batch.resultsExpireMs ?? null,
    batch.createdAs ?? null,
    batch.totalRequests,
    now,
    deadlineAfter(now, batch.timeoutMs),
  );
  for (const [position, fileId] of batch.inputFileIds.entries()) {
    run(
      context,
      'INSERT INTO batch_input (batch_id, position, file_id) VALUES (?, ?, ?)',
      batch.id,
      position,
      fileId,
    );
  }
}

function batchConditions(workspaceId: string, filter: BatchFilter): { where: string; values: unknown[] } {
  const conditions = ['b.workspace_id = ?', 'b.hidden_at IS NULL'];
  const values: unknown[] = [workspaceId];
  const add = (condition: string, ...more: unknown[]): void => {
    conditions.push(condition);
    values.push(...more);
  };
  if (filter.model !== undefined) add('b.model = ?', filter.model);
  if (filter.agentId !== undefined) add('b.agent_id = ?', filter.agentId);
  if (filter.createdBy !== undefined) add('b.created_by = ?', filter.createdBy);
  if (filter.createdAfter !== undefined) add('b.created_at >= ?', filter.createdAfter);
  for (const [key, value] of Object.entries(filter.metadata ?? {})) {
    add('EXISTS (SELECT 1 FROM json_each(b.metadata) WHERE key = ? AND value = ?)', key, value);
  }
  if (filter.statuses !== undefined) {
    const statuses = filter.statuses.map(({ state, endReason }) => {
      values.push(state);
      if (endReason === undefined) return 'b.state = ?';
      if (endReason === 'none') return '(b.state = ? AND b.end_reason IS NULL)';
      values.push(endReason);
      return '(b.state = ? AND b.end_reason = ?)';
    });
    conditions.push(`(${statuses.join(' OR ') || 'FALSE'})`);
  }
  return { where: conditions.join(' AND '), values };
}
