import { randomBytes } from 'node:crypto';
import type { AccessRecords, ApiKeyRecord, KeyScope } from '../ports/access-records.ts';
import { LAST_USED_STEP_MS } from '../ports/access-records.ts';
import { NOBODY } from '../ports/audit-records.ts';
import { audit } from './audit-store.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { workspaceNamed, workspaceOf } from './workspace-store.ts';

interface KeyRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly workspace: string;
  readonly name: string;
  readonly user_name: string | null;
  readonly scope: KeyScope;
  readonly prefix: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly last_used_at: number | null;
  readonly revoked_at: number | null;
}

const SELECT_KEY = `SELECT k.*, w.name AS workspace FROM api_key k JOIN workspace w ON w.id = k.workspace_id`;

export function accessStore(context: StoreContext): Synchronous<AccessRecords> {
  const keyBy = (column: 'id' | 'hash', value: string): ApiKeyRecord | null => {
    const row = first<KeyRow>(context, `${SELECT_KEY} WHERE k.${column} = ?`, value);
    return row === undefined ? null : keyFrom(row, context.now());
  };

  return {
    createKey(key, by = NOBODY) {
      const existing = keyBy('id', key.id);
      if (existing !== null) return existing;
      const workspace = workspaceNamed(context, key.workspace, by);
      const { user = null, scope = 'write', expiresAt = null } = key;
      run(
        context,
        `INSERT INTO api_key (id, workspace_id, name, user_name, scope, hash, prefix, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        key.id,
        workspace.id,
        key.name,
        user,
        scope,
        key.hash,
        key.prefix,
        context.now(),
        expiresAt,
      );
      audit(context, by, {
        action: 'api_key.create',
        workspaceId: workspace.id,
        subjectId: key.id,
        detail: {
          name: key.name,
          user,
          scope,
          expires_at: expiresAt === null ? null : Math.floor(expiresAt / 1000),
        },
      });
      return keyBy('id', key.id)!;
    },

    listKeys: () =>
      all<KeyRow>(context, `${SELECT_KEY} ORDER BY k.created_at, k.id`).map((row) =>
        keyFrom(row, context.now()),
      ),

    findKey(hash) {
      const key = keyBy('hash', hash);
      if (key === null) return null;
      if (key.state === 'live') noteUse(context, key);
      return { key, workspace: workspaceOf(context, key.workspaceId)! };
    },

    revokeKey(keyId, by = NOBODY) {
      const revoked = run(
        context,
        'UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL',
        context.now(),
        keyId,
      );
      if (revoked === 0) return false;
      const { workspaceId, name, user } = keyBy('id', keyId)!;
      audit(context, by, {
        action: 'api_key.revoke',
        workspaceId,
        subjectId: keyId,
        detail: { name, user },
      });
      return true;
    },

    hasKeys: () => first(context, 'SELECT 1 FROM api_key LIMIT 1') !== undefined,

    signingSecret() {
      run(
        context,
        `INSERT OR IGNORE INTO secret (name, value) VALUES ('signing', ?)`,
        randomBytes(32).toString('hex'),
      );
      return first<{ value: string }>(context, `SELECT value FROM secret WHERE name = 'signing'`)!.value;
    },
  };
}

function noteUse(context: StoreContext, { id, lastUsedAt }: ApiKeyRecord): void {
  const now = context.now();
  if (lastUsedAt !== null && now - lastUsedAt < LAST_USED_STEP_MS) return;
  run(context, 'UPDATE api_key SET last_used_at = ? WHERE id = ?', now, id);
}

function keyFrom(row: KeyRow, now: number): ApiKeyRecord {
  const isExpired = row.expires_at !== null && row.expires_at <= now;
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    workspace: row.workspace,
    name: row.name,
    user: row.user_name,
    scope: row.scope,
    prefix: row.prefix,
    state: row.revoked_at !== null ? 'revoked' : isExpired ? 'expired' : 'live',
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
    revokedAt: row.revoked_at,
  };
}
