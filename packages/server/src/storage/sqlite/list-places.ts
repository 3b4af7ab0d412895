import { first, run, type StoreContext } from './store-context.ts';

/** How long the place of what was purged is known. */
const KEPT_MS = 24 * 60 * 60 * 1000;

type Listed = 'file' | 'batch';

/** Where a file or a batch stands in the lists of its workspace, also one that is hidden or was purged. */
export function findPlace(
  context: StoreContext,
  listed: Listed,
  workspaceId: string,
  id: string,
): { readonly id: string; readonly createdAt: number } | null {
  return (
    first(
      context,
      `SELECT id, created_at AS createdAt FROM ${listed} WHERE id = :id AND workspace_id = :workspaceId
       UNION ALL SELECT id, created_at FROM purged_place WHERE id = :id AND workspace_id = :workspaceId`,
      { workspaceId, id },
    ) ?? null
  );
}

/** Before the row is deleted. An id may have been given twice: an Idempotency-Key makes it. */
export function keepPlace(context: StoreContext, listed: Listed, id: string): void {
  run(
    context,
    `INSERT OR REPLACE INTO purged_place (id, workspace_id, created_at, purged_at)
     SELECT id, workspace_id, created_at, ? FROM ${listed} WHERE id = ?`,
    context.now(),
    id,
  );
}

export function forgetPlaces(context: StoreContext): void {
  run(context, 'DELETE FROM purged_place WHERE purged_at <= ?', context.now() - KEPT_MS);
}
