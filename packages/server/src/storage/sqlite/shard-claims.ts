import type { Dialect, EndReason } from '../ports/batch-records.ts';
import type { ClaimedShard, ShardClaim } from '../ports/shard-queue.ts';
import { isAlive } from './session-store.ts';
import { deadlineOrNull } from './deadlines.ts';
import { all, first, run, type StoreContext } from './store-context.ts';

/** Virtual time is charged in estimated tokens: four bytes of input each. */
const BYTES_PER_TOKEN = 4;

/** A workspace's place in the round. */
interface Turn {
  readonly workspaceId: string;
  readonly weight: number;
  vtime: number;
  /** The batch that is served now; null before the first. */
  batch: BatchPlace | null;
  /** Free shards of that batch, in input order. */
  shards: number[];
}

/** Where a batch stands in the order of its workspace. */
interface BatchPlace {
  readonly id: string;
  readonly priority: number;
  readonly deadline: number;
  readonly created: number;
}

/** Sorts before every batch. */
const FIRST_PLACE: BatchPlace = { id: '', priority: -(2 ** 53), deadline: 0, created: 0 };

/**
 * Serves the workspace with the least virtual time, shard by shard. Each workspace walks its batches in order once, by index, and
 * stops at the first that has work, so a claim costs what it takes and not what waits.
 */
export function claimShards(context: StoreContext, claim: ShardClaim): ClaimedShard[] {
  if (!isAlive(context, claim.session)) return [];
  const turns = waitingWorkspaces(context);
  const claimed: ClaimedShard[] = [];
  while (claimed.length < claim.limit && turns.length > 0) {
    const turn = turns.reduce((least, next) => (next.vtime < least.vtime ? next : least));
    const shardId = nextShard(context, turn, claim, claim.limit - claimed.length);
    if (shardId === null) {
      turns.splice(turns.indexOf(turn), 1);
      continue;
    }
    const shard = lease(context, shardId, claim.session);
    claimed.push(shard);
    turn.vtime += shard.length / BYTES_PER_TOKEN / turn.weight;
    run(context, 'UPDATE workspace SET vtime = ? WHERE id = ?', turn.vtime, turn.workspaceId);
  }
  startBatches(context, new Set(claimed.map(({ batch }) => batch.id)));
  return claimed;
}

export function claimDrain(context: StoreContext, session: string, limit: number): ClaimedShard[] {
  if (!isAlive(context, session)) return [];
  const rows = all<{ id: number }>(
    context,
    `SELECT s.id FROM batch b JOIN shard s ON s.batch_id = b.id
     WHERE b.state IN ('cancelling', 'expiring') AND s.state IN ('queued', 'parked') LIMIT ?`,
    limit,
  );
  return rows.map(({ id }) => lease(context, id, session));
}

function waitingWorkspaces(context: StoreContext): Turn[] {
  const rows = all<Pick<Turn, 'workspaceId' | 'weight' | 'vtime'>>(
    context,
    `SELECT w.id AS workspaceId, w.weight, w.vtime FROM workspace w
     WHERE w.disabled_at IS NULL
       AND EXISTS (SELECT 1 FROM batch b WHERE b.workspace_id = w.id AND b.state IN ('queued', 'running'))
     ORDER BY w.id`,
  );
  return rows.map((row) => ({ ...row, batch: null, shards: [] }));
}

function nextShard(context: StoreContext, turn: Turn, claim: ShardClaim, wanted: number): number | null {
  while (turn.shards.length === 0) {
    const batch = batchAfter(context, turn, claim);
    if (batch === null) return null;
    turn.batch = batch;
    turn.shards = freeShards(context, batch.id, claim, wanted);
  }
  return turn.shards.shift()!;
}

function batchAfter(context: StoreContext, turn: Turn, claim: ShardClaim): BatchPlace | null {
  const after = turn.batch ?? FIRST_PLACE;
  const row = first<BatchPlace>(
    context,
    `SELECT b.id, b.priority, b.deadline_at AS deadline, b.created_at AS created FROM batch b
     WHERE b.workspace_id = :workspace AND b.state IN ('queued', 'running')
       AND b.id NOT IN (SELECT value FROM json_each(:held))
       AND (b.priority, b.deadline_at, b.created_at, b.id) > (:priority, :deadline, :created, :id)
       AND (:any OR b.routes IS NULL OR EXISTS (SELECT 1 FROM batch_route r
              WHERE r.batch_id = b.id AND r.route IN (SELECT value FROM json_each(:routes))))
     ORDER BY b.priority, b.deadline_at, b.created_at, b.id LIMIT 1`,
    {
      workspace: turn.workspaceId,
      priority: after.priority,
      deadline: after.deadline,
      created: after.created,
      id: after.id,
      held: JSON.stringify(claim.heldBatches ?? []),
      ...routeValues(claim),
    },
  );
  return row ?? null;
}

/** Up to `wanted` free shards in input order, as many as the session may still hold of this batch. */
function freeShards(context: StoreContext, batch: string, claim: ShardClaim, wanted: number): number[] {
  const { leased } = first<{ leased: number }>(
    context,
    'SELECT count(*) AS leased FROM shard WHERE session = ? AND batch_id = ?',
    claim.session,
    batch,
  )!;
  const most = Math.min(wanted, claim.perBatch - leased);
  if (most <= 0) return [];
  const { any, routes } = routeValues(claim);
  return all<{ id: number }>(
    context,
    `SELECT id FROM (
       SELECT * FROM (SELECT id, number FROM shard WHERE batch_id = :batch AND state = 'queued' ORDER BY number LIMIT :most)
       UNION ALL
       SELECT * FROM (SELECT id, number FROM shard WHERE batch_id = :batch AND state = 'parked'
                        AND (parked_until <= :now OR :any AND parked_routes IS NOT NULL OR EXISTS (
                            SELECT 1 FROM json_each(parked_routes) WHERE value IN (SELECT value FROM json_each(:routes))))
                      ORDER BY number LIMIT :most))
     ORDER BY number LIMIT :most`,
    { batch, most, any, routes, now: context.now() },
  ).map(({ id }) => id);
}

function routeValues({ routes }: ShardClaim): { any: number; routes: string } {
  return routes === 'any' ? { any: 1, routes: '[]' } : { any: 0, routes: JSON.stringify(routes) };
}

/** The first claim of a batch moves it to `running`. */
function startBatches(context: StoreContext, batchIds: ReadonlySet<string>): void {
  for (const batchId of batchIds) {
    run(
      context,
      `UPDATE batch SET state = 'running', started_at = ? WHERE id = ? AND state = 'queued'`,
      context.now(),
      batchId,
    );
  }
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
  readonly attempted: number;
  readonly is_checked: number;
  readonly batch_id: string;
  readonly workspace_id: string;
  readonly dialect: Dialect;
  readonly endpoint: string;
  readonly model: string | null;
  readonly is_lenient: number;
  readonly deadline_at: number;
  readonly end_reason: EndReason | null;
}

/** Takes a free shard; the caller found it free in the same transaction, and transactions are serial. */
function lease(context: StoreContext, shardId: number, session: string): ClaimedShard {
  run(
    context,
    `UPDATE shard SET state = 'leased', session = ?, epoch = epoch + 1,
       parked_routes = NULL, parked_until = NULL, parked_reason = NULL
     WHERE id = ? AND state IN ('queued', 'parked')`,
    session,
    shardId,
  );
  const row = first<LeasedRow>(
    context,
    `SELECT s.*, EXISTS (SELECT 1 FROM attempt a WHERE a.shard_id = s.id) AS attempted,
       (SELECT json_extract(f.line_index, '$.badLines') IS 0 FROM file f WHERE f.id = i.file_id) AS is_checked, i.file_id,
       b.workspace_id, b.dialect, b.endpoint, b.model, b.is_lenient, b.deadline_at, b.end_reason
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
    isChecked: row.is_checked === 1,
    deaths: row.deaths,
    journaled: row.has_journal === 1,
    attempted: row.attempted === 1,
    batch: {
      id: row.batch_id,
      workspaceId: row.workspace_id,
      dialect: row.dialect,
      endpoint: row.endpoint,
      model: row.model,
      isLenient: row.is_lenient === 1,
      deadlineAt: deadlineOrNull(row.deadline_at),
      endReason: row.end_reason,
    },
  };
}
