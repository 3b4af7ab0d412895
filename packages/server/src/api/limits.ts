import type { Caller } from '../access/authenticate.ts';
import type { WorkspaceLimits } from '../storage/ports/workspace-records.ts';
import { WORKSPACE_LIMITS } from '../storage/ports/workspace-records.ts';

/** What holds for a caller: the workspace's own limit where it has one, else the installation's. */
export function limitsOf({ limits }: Caller, installation: WorkspaceLimits): WorkspaceLimits {
  const resolved = WORKSPACE_LIMITS.map((name) => [name, limits[name] ?? installation[name]] as const);
  return Object.fromEntries(resolved) as WorkspaceLimits;
}
