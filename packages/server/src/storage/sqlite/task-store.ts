import type { Dialect } from '../ports/batch-records.ts';
import type { LineIndexSummary } from '../ports/file-records.ts';
import type {
  BatchEnd,
  PlanAndFinalise,
  PlanInput,
  ResultFiles,
  Task,
  TaskLease,
} from '../ports/plan-and-finalise.ts';
import { releaseOwned } from './blob-columns.ts';
import { isInUse } from './file-references.ts';
import { insertFile } from './file-store.ts';
import { isAlive } from './session-store.ts';
import { keepPlace } from './list-places.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { noteEnd } from './webhook-event-store.ts';

/** Queues a task, once per subject. */
export function addTask(context: StoreContext, kind: Task['kind'], subjectId: string): void {
  run(context, 'INSERT OR IGNORE INTO task (kind, subject_id) VALUES (?, ?)', kind, subjectId);
  context.hint({ kind: 'work' });
}

/** Moves a batch of which nothing remains to `finalizing`. */
export function beginFinalise(context: StoreContext, batchId: string): void {
  const moved = run(
    context,
    `UPDATE batch SET state = 'finalizing', finalizing_at = ? WHERE id = ? AND remaining = 0
     AND state IN ('validating', 'queued', 'running', 'cancelling', 'expiring')`,
    context.now(),
    batchId,
  );
  if (moved === 1) addTask(context, 'finalise', batchId);
}

export function taskStore(context: StoreContext): Synchronous<PlanAndFinalise> {
  /** The subject of a task whose lease still stands, or null. Used inside the transaction that writes on its strength. */
  const subjectOf = ({ taskId, epoch, session }: TaskLease): string | null =>
    first<{ subject_id: string }>(
      context,
      'SELECT subject_id FROM task WHERE id = ? AND epoch = ? AND session = ? AND done = 0',
      taskId,
      epoch,
      session,
    )?.subject_id ?? null;
  const markDone = ({ taskId }: TaskLease): number =>
    run(context, 'UPDATE task SET done = 1 WHERE id = ?', taskId);
  /** The subject of a task that this very lease did before, or null: the answer to a repeat after an unknown outcome. */
  const doneSubjectOf = ({ taskId, epoch, session }: TaskLease): string | null =>
    first<{ subject_id: string }>(
      context,
      'SELECT subject_id FROM task WHERE id = ? AND epoch = ? AND session = ? AND done = 1',
      taskId,
      epoch,
      session,
    )?.subject_id ?? null;
  const isDone = (lease: TaskLease): boolean => doneSubjectOf(lease) !== null;

  return {
    claimTask(session) {
      if (!isAlive(context, session)) return null;
      const row = first<{ id: number; kind: Task['kind']; subject_id: string; epoch: number }>(
        context,
        `UPDATE task SET session = ?, epoch = epoch + 1
         WHERE id = (SELECT id FROM task WHERE session IS NULL AND done = 0 AND not_before <= ? ORDER BY id LIMIT 1)
         RETURNING id, kind, subject_id, epoch`,
        session,
        context.now(),
      );
      if (row === undefined) return null;
      const { id: taskId, kind, subject_id: subjectId, epoch } = row;
      return { taskId, kind, subjectId, epoch, session, attempts: epoch - 1 };
    },

    returnTask({ taskId, epoch, session }, delayMs) {
      run(
        context,
        'UPDATE task SET session = NULL, not_before = ? WHERE id = ? AND epoch = ? AND session = ? AND done = 0',
        context.now() + delayMs,
        taskId,
        epoch,
        session,
      );
    },

    readPlanInput(lease) {
      const batchId = subjectOf(lease);
      return batchId === null ? null : readPlanInput(context, batchId);
    },

    addShards(lease, shards) {
      const batchId = subjectOf(lease);
      if (batchId === null || !isValidating(context, batchId)) return false;
      let inserted = 0;
      for (const shard of shards) {
        inserted += run(
          context,
          `INSERT OR IGNORE INTO shard (batch_id, number, first_ordinal, count, input, start, length, first_line)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
          batchId,
          shard.number,
          shard.firstOrdinal,
          shard.count,
          shard.input,
          shard.start,
          shard.length,
          shard.firstLine,
        );
      }
      run(context, 'UPDATE batch SET remaining = remaining + ? WHERE id = ?', inserted, batchId);
      return true;
    },

    finishPlan(lease, plan) {
      const batchId = subjectOf(lease);
      if (batchId === null) return isDone(lease);
      if (!isValidating(context, batchId)) return false;
      for (const route of plan.routes ?? []) {
        run(context, 'INSERT OR IGNORE INTO batch_route (batch_id, route) VALUES (?, ?)', batchId, route);
      }
      run(
        context,
        `UPDATE batch SET state = 'queued', planned_at = ?, remaining = remaining - 1, total_requests = ?, routes = ? WHERE id = ?`,
        context.now(),
        plan.totalRequests,
        plan.routes === null ? null : JSON.stringify(plan.routes),
        batchId,
      );
      markDone(lease);
      beginFinalise(context, batchId);
      context.hint({ kind: 'work' });
      return true;
    },

    failBatch(lease, failure, faults) {
      const batchId = subjectOf(lease);
      if (batchId === null) return isDone(lease);
      if (!isValidating(context, batchId)) return false;
      run(
        context,
        `UPDATE batch SET state = 'failed', end_reason = 'failed', failure = ?, faults = ?, ended_at = ? WHERE id = ?`,
        failure,
        faults === undefined ? null : JSON.stringify(faults),
        context.now(),
        batchId,
      );
      run(context, 'DELETE FROM shard WHERE batch_id = ?', batchId);
      noteEnd(context, batchId);
      markDone(lease);
      return true;
    },

    finalise(lease, files) {
      const batchId = subjectOf(lease);
      if (batchId === null) return readEnd(context, doneSubjectOf(lease));
      finaliseBatch(context, batchId, files);
      markDone(lease);
      return readEnd(context, batchId);
    },

    purge(lease, limit) {
      const task = first<{ kind: Task['kind']; subject_id: string }>(
        context,
        'SELECT kind, subject_id FROM task WHERE id = ? AND epoch = ? AND session = ?',
        lease.taskId,
        lease.epoch,
        lease.session,
      );
      if (task === undefined) return 'lost';
      const purged =
        task.kind === 'purge-file'
          ? purgeFile(context, task.subject_id, limit)
          : purgeBatch(context, task.subject_id, limit);
      if (purged === 'done') run(context, 'DELETE FROM task WHERE id = ?', lease.taskId);
      return purged;
    },
  };
}

function isValidating(context: StoreContext, batchId: string): boolean {
  return first(context, `SELECT 1 FROM batch WHERE id = ? AND state = 'validating'`, batchId) !== undefined;
}

interface PlannedBatchRow {
  readonly dialect: Dialect;
  readonly is_lenient: number;
  readonly endpoint: string;
  readonly model: string | null;
  readonly routes: string | null;
}

function readPlanInput(context: StoreContext, batchId: string): PlanInput | null {
  const batch = first<PlannedBatchRow>(
    context,
    `SELECT dialect, is_lenient, endpoint, model, routes FROM batch WHERE id = ? AND state = 'validating'`,
    batchId,
  );
  if (batch === undefined) return null;
  const inputs = all<{ fileId: string; bytes: number; line_index: string | null }>(
    context,
    `SELECT f.id AS fileId, f.bytes, f.line_index
     FROM batch_input i JOIN file f ON f.id = i.file_id WHERE i.batch_id = ? ORDER BY i.position`,
    batchId,
  );
  const last = first<NonNullable<PlanInput['lastShard']>>(
    context,
    `SELECT number, first_ordinal AS firstOrdinal, count, input, start, length, first_line AS firstLine
     FROM shard WHERE batch_id = ? ORDER BY number DESC LIMIT 1`,
    batchId,
  );
  return {
    batchId,
    dialect: batch.dialect,
    isLenient: batch.is_lenient === 1,
    endpoint: batch.endpoint,
    model: batch.model,
    routes: batch.routes === null ? null : (JSON.parse(batch.routes) as string[]),
    inputs: inputs.map(({ fileId, bytes, line_index: index }) => ({
      fileId,
      bytes,
      lineIndex: index === null ? null : (JSON.parse(index) as LineIndexSummary),
    })),
    lastShard: last ?? null,
  };
}

function finaliseBatch(context: StoreContext, batchId: string, files: ResultFiles): void {
  const batch = first<{ workspace_id: string; created_by: string | null; results_expire_ms: number | null }>(
    context,
    `SELECT workspace_id, created_by, results_expire_ms FROM batch WHERE id = ? AND state = 'finalizing'`,
    batchId,
  );
  if (batch === undefined) return;
  const { results_expire_ms: expireMs } = batch;
  const makeFile = (kind: 'output' | 'error', id: string, filename: string): string | null => {
    const { lines, bytes } = first<{ lines: number; bytes: number }>(
      context,
      `SELECT coalesce(sum(p.lines), 0) AS lines, coalesce(sum(p.length), 0) AS bytes
       FROM shard s JOIN shard_part p ON p.shard_id = s.id WHERE s.batch_id = ? AND p.kind = ?`,
      batchId,
      kind,
    )!;
    if (lines === 0) return null;
    insertFile(context, {
      id,
      workspaceId: batch.workspace_id,
      filename,
      purpose: 'batch',
      sampleType: kind === 'output' ? 'batch_result' : 'batch_error',
      source: 'mistral',
      mimetype: 'application/jsonl',
      bytes,
      numLines: lines,
      signature: null,
      visibility: 'workspace',
      expireMs,
      createdBy: batch.created_by,
      lineIndex: null,
    });
    movePartsToFile(context, batchId, kind, id);
    return id;
  };
  const outputFileId = makeFile('output', files.outputFileId, files.outputFilename);
  const errorFileId = makeFile('error', files.errorFileId, files.errorFilename);
  run(
    context,
    `UPDATE batch SET state = coalesce(end_reason, 'completed'), end_reason = coalesce(end_reason, 'completed'),
       ended_at = ?, output_file_id = ?, error_file_id = ? WHERE id = ?`,
    context.now(),
    outputFileId,
    errorFileId,
    batchId,
  );
  noteEnd(context, batchId);
  run(context, 'DELETE FROM shard_part WHERE shard_id IN (SELECT id FROM shard WHERE batch_id = ?)', batchId);
  run(context, 'DELETE FROM shard WHERE batch_id = ?', batchId);
}

function readEnd(context: StoreContext, batchId: string | null): BatchEnd | null {
  return first<BatchEnd>(context, 'SELECT state, succeeded, failed FROM batch WHERE id = ?', batchId) ?? null;
}

/** The blobs change owner, the manifest is their order; nothing is copied but inline bytes inside the database. */
function movePartsToFile(context: StoreContext, batchId: string, kind: string, fileId: string): void {
  run(
    context,
    `INSERT INTO file_part (file_id, start, length, blob_name, blob_offset, checksum, bytes)
     SELECT ?, sum(p.length) OVER (ORDER BY s.number, p.position) - p.length,
       p.length, p.blob_name, p.blob_offset, p.checksum, p.bytes
     FROM shard s JOIN shard_part p ON p.shard_id = s.id WHERE s.batch_id = ? AND p.kind = ?`,
    fileId,
    batchId,
    kind,
  );
  run(
    context,
    `UPDATE blob_name SET owner = ?, changed_at = ? WHERE name IN
       (SELECT p.blob_name FROM shard s JOIN shard_part p ON p.shard_id = s.id WHERE s.batch_id = ? AND p.kind = ?)`,
    `file/${fileId}`,
    context.now(),
    batchId,
    kind,
  );
}

function purgeFile(context: StoreContext, fileId: string, limit: number): 'more' | 'done' | 'in-use' {
  if (isInUse(context, fileId)) return 'in-use';
  const purged = run(
    context,
    'DELETE FROM file_part WHERE id IN (SELECT id FROM file_part WHERE file_id = ? LIMIT ?)',
    fileId,
    limit,
  );
  if (purged === limit) return 'more';
  releaseOwned(context, `file/${fileId}`);
  run(context, 'DELETE FROM file_cuts WHERE file_id = ?', fileId);
  run(context, 'DELETE FROM file_reference WHERE file_id = ?', fileId);
  keepPlace(context, 'file', fileId);
  run(context, 'DELETE FROM file WHERE id = ?', fileId);
  return 'done';
}

function purgeBatch(context: StoreContext, batchId: string, limit: number): 'more' | 'done' | 'in-use' {
  const ended = first(
    context,
    `SELECT 1 FROM batch WHERE id = ? AND state NOT IN ('completed', 'failed', 'expired', 'cancelled')`,
    batchId,
  );
  if (ended !== undefined) return 'in-use';
  const shards = all<{ id: number }>(
    context,
    'SELECT id FROM shard WHERE batch_id = ? LIMIT ?',
    batchId,
    limit,
  );
  for (const { id } of shards) {
    releaseOwned(context, `shard/${id}`);
    run(context, 'DELETE FROM journal WHERE shard_id = ?', id);
    run(context, 'DELETE FROM shard_part WHERE shard_id = ?', id);
    run(context, 'DELETE FROM shard WHERE id = ?', id);
  }
  if (shards.length === limit) return 'more';
  for (const table of ['batch_input', 'batch_route', 'batch_error']) {
    run(context, `DELETE FROM ${table} WHERE batch_id = ?`, batchId);
  }
  run(context, `DELETE FROM task WHERE subject_id = ? AND kind IN ('plan', 'finalise')`, batchId);
  keepPlace(context, 'batch', batchId);
  run(context, 'DELETE FROM batch WHERE id = ?', batchId);
  return 'done';
}
