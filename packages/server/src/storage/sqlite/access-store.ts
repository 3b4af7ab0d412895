import { randomBytes, randomUUID } from 'node:crypto';
import type { AccessRecords, ApiKeyRecord, WorkspaceRecord } from '../ports/access-records.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

const DEFAULT_WORKSPACE = 'default';

interface KeyRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly workspace: string;
  readonly name: string;
  readonly prefix: string;
  readonly created_at: number;
  readonly revoked_at: number | null;
}

const SELECT_KEY = `SELECT k.*, w.name AS workspace FROM api_key k JOIN workspace w ON w.id = k.workspace_id`;

export function accessStore(context: StoreContext): Synchronous<AccessRecords> {
  const workspaceNamed = (name: string): WorkspaceRecord => {
    run(
      context,
      'INSERT OR IGNORE INTO workspace (id, name, created_at) VALUES (?, ?, ?)',
      randomUUID(),
      name,
      context.now(),
    );
    return first<WorkspaceRecord>(context, 'SELECT id, name FROM workspace WHERE name = ?', name)!;
  };

  return {
    defaultWorkspace: () => workspaceNamed(DEFAULT_WORKSPACE),

    createKey(key) {
      const workspace = workspaceNamed(key.workspace);
      run(
        context,
        `INSERT OR IGNORE INTO api_key (id, workspace_id, name, hash, prefix, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
        key.id,
        workspace.id,
        key.name,
        key.hash,
        key.prefix,
        context.now(),
      );
      return keyFrom(first<KeyRow>(context, `${SELECT_KEY} WHERE k.id = ?`, key.id)!);
    },

    listKeys: () => all<KeyRow>(context, `${SELECT_KEY} ORDER BY k.created_at, k.id`).map(keyFrom),

    findKey(hash) {
      const row = first<KeyRow>(context, `${SELECT_KEY} WHERE k.hash = ? AND k.revoked_at IS NULL`, hash);
      return row === undefined ? null : keyFrom(row);
    },

    revokeKey(keyId) {
      const revoked = run(
        context,
        'UPDATE api_key SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL',
        context.now(),
        keyId,
      );
      return revoked === 1;
    },

    hasKeys: () => first(context, 'SELECT 1 FROM api_key WHERE revoked_at IS NULL LIMIT 1') !== undefined,

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

function keyFrom(row: KeyRow): ApiKeyRecord {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    workspace: row.workspace,
    name: row.name,
    prefix: row.prefix,
    createdAt: row.created_at,
    revokedAt: row.revoked_at,
  };
}
