import { run, type StoreContext } from './store-context.ts';
import { noteEnd } from './webhook-event-store.ts';

/**
 * Ends the sending of a batch, unless it already ends: at once if it needs no line, else by draining. A planned batch of OpenAI's dialect
 * needs one for each request. The end reason is set once, by whoever comes first. False if nothing changed.
 */
export function stopBatch(context: StoreContext, batchId: string, reason: 'cancelled' | 'expired'): boolean {
  const now = context.now();
  const cancellingAt = reason === 'cancelled' ? now : null;
  const unstarted = run(
    context,
    `UPDATE batch SET state = ?, end_reason = ?, cancelling_at = ?, ended_at = ?
     WHERE id = ? AND (state = 'validating' OR state = 'queued' AND dialect = 'mistral')`,
    reason,
    reason,
    cancellingAt,
    now,
    batchId,
  );
  if (unstarted === 1) {
    run(context, `DELETE FROM task WHERE kind = 'plan' AND subject_id = ?`, batchId);
    run(context, 'DELETE FROM shard WHERE batch_id = ?', batchId);
    noteEnd(context, batchId);
    return true;
  }
  const stopped = run(
    context,
    `UPDATE batch SET state = ?, end_reason = ?, cancelling_at = ?
     WHERE id = ? AND state IN ('queued', 'running')`,
    reason === 'cancelled' ? 'cancelling' : 'expiring',
    reason,
    cancellingAt,
    batchId,
  );
  if (stopped === 1) context.hint({ kind: 'batch-stopped', batchId });
  return stopped === 1;
}
