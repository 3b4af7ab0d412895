import type { ApiKeyRecord } from '../storage/ports/access-records.ts';
import type { AuditEntry } from '../storage/ports/audit-records.ts';
import type { WorkspaceLimits, WorkspaceRecord, WorkspaceUsage } from '../storage/ports/workspace-records.ts';

/** Keys, workspaces and audit entries as the API and `--json` show them, see protocol/bora-access. */

export function keyView(key: ApiKeyRecord) {
  return {
    id: key.id,
    object: 'api_key' as const,
    prefix: key.prefix,
    name: key.name,
    user: key.user,
    scope: key.scope,
    workspace_id: key.workspaceId,
    workspace: key.workspace,
    state: key.state,
    created_at: seconds(key.createdAt),
    expires_at: secondsOrNull(key.expiresAt),
    last_used_at: secondsOrNull(key.lastUsedAt),
    revoked_at: secondsOrNull(key.revokedAt),
  };
}

export function workspaceView(workspace: WorkspaceRecord) {
  const { id, name, weight, limits, createdAt, disabled } = workspace;
  return {
    id,
    object: 'workspace' as const,
    name,
    weight,
    limits: limitsView(limits),
    created_at: seconds(createdAt),
    disabled: disabled === null ? null : { at: seconds(disabled.at), reason: disabled.reason },
  };
}

export function workspaceDetailsView(workspace: WorkspaceRecord, usage: WorkspaceUsage) {
  return {
    ...workspaceView(workspace),
    usage: {
      pending_requests: usage.pendingRequests,
      active_jobs: usage.activeJobs,
      files: usage.files,
      stored_bytes: usage.storedBytes,
    },
  };
}

export function auditView(entry: AuditEntry) {
  const { id, at, action, workspaceId, workspace, actor, subjectId, detail } = entry;
  return {
    id,
    at: seconds(at),
    action,
    workspace_id: workspaceId,
    workspace,
    key_id: actor.keyId,
    user: actor.user,
    ip: actor.ip,
    subject_id: subjectId,
    detail: detail === null ? null : { ...detail },
  };
}

function limitsView(limits: WorkspaceLimits) {
  return {
    max_pending_requests: limits.maxPendingRequests,
    max_active_jobs: limits.maxActiveJobs,
    max_file_lines: limits.maxFileLines,
    max_file_bytes: limits.maxFileBytes,
    max_stored_bytes: limits.maxStoredBytes,
  };
}

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : seconds(milliseconds);
}
