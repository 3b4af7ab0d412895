import type { WorkspaceLimits as WireLimits } from '@bora/protocol/bora-access';
import type { WorkspaceLimits } from '../../storage/ports/workspace-records.ts';

/** The limits that a body names, under their names inside. */
export function ownLimits(limits: Partial<WireLimits>): Partial<WorkspaceLimits> {
  const named = {
    maxPendingRequests: limits.max_pending_requests,
    maxActiveJobs: limits.max_active_jobs,
    maxFileLines: limits.max_file_lines,
    maxFileBytes: limits.max_file_bytes,
    maxStoredBytes: limits.max_stored_bytes,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
