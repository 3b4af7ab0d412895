import type { WorkspaceUsage } from '../ports/workspace-records.ts';
import { first, type StoreContext } from './store-context.ts';
import { ACTIVE } from './virtual-time.ts';

/** Batches that have not ended, deleted ones that still wind down included. */
export function activeJobs(context: StoreContext, workspaceId: string): number {
  const { active } = first<{ active: number }>(
    context,
    `SELECT count(*) AS active FROM batch WHERE workspace_id = ? AND state IN ${ACTIVE}`,
    workspaceId,
  )!;
  return active;
}

/** Files that are there to see, whoever sees them; bytes also of parts that are no file yet. */
export function storedFiles(
  context: StoreContext,
  workspaceId: string,
): Pick<WorkspaceUsage, 'files' | 'storedBytes'> {
  return first<Pick<WorkspaceUsage, 'files' | 'storedBytes'>>(
    context,
    `SELECT count(*) AS files, coalesce(sum(bytes), 0)
         + (SELECT coalesce(sum(length), 0) FROM upload_part WHERE workspace_id = :workspaceId) AS storedBytes FROM file
     WHERE workspace_id = :workspaceId AND hidden_at IS NULL AND (expires_at IS NULL OR expires_at > :now)`,
    { workspaceId, now: context.now() },
  )!;
}
