import { run, type StoreContext } from './store-context.ts';

/** States of a batch that has not ended. */
export const ACTIVE = `('validating', 'queued', 'running', 'expiring', 'cancelling', 'finalizing')`;

/**
 * Lets a workspace that had no turn restart at the least virtual time of those that have one: idle time earns no credit. A disabled
 * workspace has no turn, so its standing still holds nobody back.
 */
export function restartAtMinimum(context: StoreContext, workspaceId: string): void {
  run(
    context,
    `UPDATE workspace SET vtime = max(vtime, coalesce(
       (SELECT min(w.vtime) FROM workspace w JOIN batch b ON b.workspace_id = w.id
        WHERE w.id <> workspace.id AND w.disabled_at IS NULL AND b.state IN ${ACTIVE}), 0))
     WHERE id = ?`,
    workspaceId,
  );
}
