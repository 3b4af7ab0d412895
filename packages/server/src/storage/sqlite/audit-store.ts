import type { Actor, AuditAction, AuditEntry, AuditFilter, AuditRecords } from '../ports/audit-records.ts';
import { all, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

interface AuditRow {
  readonly id: number;
  readonly at: number;
  readonly action: AuditAction;
  readonly workspace_id: string;
  readonly workspace: string;
  readonly key_id: string | null;
  readonly user_name: string | null;
  readonly ip: string | null;
  readonly subject_id: string;
  readonly detail: string | null;
}

export function auditStore(context: StoreContext): Synchronous<AuditRecords> {
  return {
    readAudit(filter) {
      const { where, values } = auditConditions(filter);
      const rows = all<AuditRow>(
        context,
        `SELECT a.*, w.name AS workspace FROM audit a JOIN workspace w ON w.id = a.workspace_id
         WHERE ${where} ORDER BY a.id DESC LIMIT ?`,
        ...values,
        filter.pageSize + 1,
      );
      const entries = rows.slice(0, filter.pageSize).map(entryFrom);
      return { entries, next: rows.length > filter.pageSize ? entries.at(-1)!.id : null };
    },

    pruneAudit: (maxAgeMs, limit) =>
      run(
        context,
        'DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)',
        context.now() - maxAgeMs,
        limit,
      ),
  };
}

interface Act {
  readonly action: AuditAction;
  readonly workspaceId: string;
  readonly subjectId: string;
  readonly detail?: AuditEntry['detail'];
}

/** Writes an entry in the transaction of the act. */
export function audit(
  context: StoreContext,
  by: Actor,
  { action, workspaceId, subjectId, detail }: Act,
): void {
  run(
    context,
    `INSERT INTO audit (at, action, workspace_id, key_id, user_name, ip, subject_id, detail)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    context.now(),
    action,
    workspaceId,
    by.keyId,
    by.user,
    by.ip,
    subjectId,
    detail == null ? null : JSON.stringify(detail),
  );
}

function entryFrom(row: AuditRow): AuditEntry {
  return {
    id: row.id,
    at: row.at,
    action: row.action,
    workspaceId: row.workspace_id,
    workspace: row.workspace,
    actor: { keyId: row.key_id, user: row.user_name, ip: row.ip },
    subjectId: row.subject_id,
    detail: row.detail === null ? null : (JSON.parse(row.detail) as AuditEntry['detail']),
  };
}

function auditConditions(filter: AuditFilter): { where: string; values: unknown[] } {
  const conditions = ['TRUE'];
  const values: unknown[] = [];
  const add = (condition: string, value: unknown): void => {
    if (value === undefined) return;
    conditions.push(condition);
    values.push(value);
  };
  add('a.id < ?', filter.before);
  add('a.at >= ?', filter.from);
  add('a.at < ?', filter.to);
  add('a.action IN (SELECT value FROM json_each(?))', filter.actions && JSON.stringify(filter.actions));
  add('a.workspace_id = ?', filter.workspaceId);
  add('a.subject_id = ?', filter.subjectId);
  return { where: conditions.join(' AND '), values };
}
