import { randomUUID } from 'node:crypto';
import type { Actor, AuditAction, AuditEntry } from '../ports/audit-records.ts';
import { NOBODY } from '../ports/audit-records.ts';
import type {
  NewWorkspace,
  WorkspaceLimits,
  WorkspaceRecord,
  WorkspaceRecords,
  WorkspaceUsage,
} from '../ports/workspace-records.ts';
import { WORKSPACE_LIMITS } from '../ports/workspace-records.ts';
import { audit } from './audit-store.ts';
import { pendingRequests } from './batch-store.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { restartAtMinimum } from './virtual-time.ts';
import { activeJobs, storedFiles } from './workspace-usage.ts';

const DEFAULT_WORKSPACE = 'default';

interface WorkspaceRow {
  readonly id: string;
  readonly name: string;
  readonly weight: number;
  readonly limits: string;
  readonly created_at: number;
  readonly disabled_at: number | null;
  readonly disabled_reason: string | null;
}

export function workspaceStore(context: StoreContext): Synchronous<WorkspaceRecords> {
  return {
    defaultWorkspace: () => workspaceNamed(context, DEFAULT_WORKSPACE, NOBODY),

    createWorkspace(workspace, by = NOBODY) {
      const taken = byName(context, workspace.name);
      if (taken !== null) return taken.id === workspace.id ? taken : null;
      return insertWorkspace(context, workspace, by);
    },

    listWorkspaces: () =>
      all<WorkspaceRow>(context, 'SELECT * FROM workspace ORDER BY name').map(workspaceFrom),

    getWorkspace: (idOrName) => workspaceOf(context, idOrName) ?? byName(context, idOrName),

    workspaceUsage(workspaceId): WorkspaceUsage | null {
      if (workspaceOf(context, workspaceId) === null) return null;
      return {
        pendingRequests: pendingRequests(context, workspaceId),
        activeJobs: activeJobs(context, workspaceId),
        ...storedFiles(context, workspaceId),
      };
    },

    changeWorkspace(workspaceId, { weight, limits, disabled }, by = NOBODY) {
      const before = workspaceOf(context, workspaceId);
      if (before === null) return null;
      const log = (action: AuditAction, detail: AuditEntry['detail']): void =>
        audit(context, by, { action, workspaceId, subjectId: workspaceId, detail });

      if (weight !== undefined && weight !== before.weight) {
        run(context, 'UPDATE workspace SET weight = ? WHERE id = ?', weight, workspaceId);
        log('workspace.weight', { from: before.weight, to: weight });
      }
      const changed = changedLimits(before.limits, limits ?? {});
      if (Object.keys(changed).length > 0) {
        const after = JSON.stringify({ ...before.limits, ...changed });
        run(context, 'UPDATE workspace SET limits = ? WHERE id = ?', after, workspaceId);
        log('workspace.limits', limitsDetail(changed));
      }
      if (typeof disabled === 'string' && disabled !== before.disabled?.reason) {
        run(
          context,
          'UPDATE workspace SET disabled_at = coalesce(disabled_at, ?), disabled_reason = ? WHERE id = ?',
          context.now(),
          disabled,
          workspaceId,
        );
        log('workspace.disable', { reason: disabled });
      }
      if (disabled === null && before.disabled !== null) {
        run(
          context,
          'UPDATE workspace SET disabled_at = NULL, disabled_reason = NULL WHERE id = ?',
          workspaceId,
        );
        restartAtMinimum(context, workspaceId);
        context.hint({ kind: 'work' });
        log('workspace.enable', null);
      }
      return workspaceOf(context, workspaceId);
    },

    disabledWorkspaces: () =>
      all<{ id: string }>(context, 'SELECT id FROM workspace WHERE disabled_at IS NOT NULL').map(
        ({ id }) => id,
      ),
  };
}

/** The workspace of this name; made if it is not there. */
export function workspaceNamed(context: StoreContext, name: string, by: Actor): WorkspaceRecord {
  return byName(context, name) ?? insertWorkspace(context, { id: randomUUID(), name }, by);
}

export function workspaceOf(context: StoreContext, id: string): WorkspaceRecord | null {
  const row = first<WorkspaceRow>(context, 'SELECT * FROM workspace WHERE id = ?', id);
  return row === undefined ? null : workspaceFrom(row);
}

function byName(context: StoreContext, name: string): WorkspaceRecord | null {
  const row = first<WorkspaceRow>(context, 'SELECT * FROM workspace WHERE name = ?', name);
  return row === undefined ? null : workspaceFrom(row);
}

function insertWorkspace(
  context: StoreContext,
  { id, name, weight = 1, limits = {} }: NewWorkspace,
  by: Actor,
): WorkspaceRecord {
  run(
    context,
    'INSERT INTO workspace (id, name, weight, limits, created_at) VALUES (?, ?, ?, ?, ?)',
    id,
    name,
    weight,
    JSON.stringify(limits),
    context.now(),
  );
  audit(context, by, {
    action: 'workspace.create',
    workspaceId: id,
    subjectId: id,
    detail: { name, weight, ...limitsDetail(limits) },
  });
  return workspaceOf(context, id)!;
}

/** Limits under the names by which people set them: details are shown as they are stored. */
function limitsDetail(limits: Partial<WorkspaceLimits>): Record<string, number | null> {
  const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [snake(name), value]));
}

/** Those of the limits that differ from what holds. */
function changedLimits(before: WorkspaceLimits, wanted: Partial<WorkspaceLimits>): Partial<WorkspaceLimits> {
  const changed = WORKSPACE_LIMITS.filter(
    (limit) => wanted[limit] !== undefined && wanted[limit] !== before[limit],
  );
  return Object.fromEntries(changed.map((limit) => [limit, wanted[limit]]));
}

function workspaceFrom(row: WorkspaceRow): WorkspaceRecord {
  const own = JSON.parse(row.limits) as Partial<WorkspaceLimits>;
  const limits = WORKSPACE_LIMITS.map((limit) => [limit, own[limit] ?? null] as const);
  return {
    id: row.id,
    name: row.name,
    weight: row.weight,
    limits: Object.fromEntries(limits) as WorkspaceLimits,
    createdAt: row.created_at,
    disabled: row.disabled_at === null ? null : { at: row.disabled_at, reason: row.disabled_reason ?? '' },
  };
}
