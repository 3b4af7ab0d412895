import type { IncomingHttpHeaders } from 'node:http';
import type { AccessRecords, ApiKeyRecord, KeyScope } from '../storage/ports/access-records.ts';
import { KEY_SCOPES } from '../storage/ports/access-records.ts';
import type { Actor } from '../storage/ports/audit-records.ts';
import { creatorOf } from '../storage/ports/audit-records.ts';
import type {
  WorkspaceLimits,
  WorkspaceRecord,
  WorkspaceRecords,
} from '../storage/ports/workspace-records.ts';
import { hashOfKey } from './api-key.ts';

/** Who calls, and what they may do. */
export interface Caller {
  readonly workspaceId: string;
  /** As the audit log names them. */
  readonly actor: Actor;
  /** Under which name what they make is kept; null where no key exists at all, and everybody is the same. */
  readonly creator: string | null;
  readonly scope: KeyScope;
  /** The workspace's own limits. */
  readonly limits: WorkspaceLimits;
}

export type Identified =
  | { readonly kind: 'caller'; readonly caller: Caller }
  /** No key, or one that never was. */
  | { readonly kind: 'unknown' }
  | { readonly kind: 'expired' | 'revoked'; readonly key: ApiKeyRecord }
  | { readonly kind: 'disabled'; readonly workspace: WorkspaceRecord };

type Records = Pick<AccessRecords, 'hasKeys' | 'findKey'> &
  Pick<WorkspaceRecords, 'defaultWorkspace' | 'getWorkspace'>;

/**
 * Finds out who calls. A key is looked up with each call, by index and together with its workspace, and nothing of it is kept: what
 * was revoked, disabled or changed, by this process or by another on the same database, holds for the very next call.
 */
export class Authenticator {
  readonly #records: Records;
  #hasKeys = false;

  constructor(records: Records) {
    this.#records = records;
  }

  /** Whether a call needs a key, which it does for good once the first one was made. */
  async hasKeys(): Promise<boolean> {
    // Never false again once true (see the port), so it is asked no more.
    this.#hasKeys ||= await this.#records.hasKeys();
    return this.#hasKeys;
  }

  /** Until the first key was made everybody is an admin of the default workspace. */
  async identify(headers: IncomingHttpHeaders, ip: string | null): Promise<Identified> {
    if (!(await this.hasKeys())) return identified(await this.#records.defaultWorkspace(), 'admin', { ip });
    const sent = keyOf(headers);
    const found = sent === null ? null : await this.#records.findKey(hashOfKey(sent));
    if (found === null) return { kind: 'unknown' };
    const { key, workspace } = found;
    if (key.state !== 'live') return { kind: key.state, key };
    return identified(workspace, key.scope, { keyId: key.id, user: key.user, ip });
  }

  /** Whoever holds a signed link of a workspace: may read, and is nobody in particular. */
  async identifyHolder(workspaceId: string, ip: string | null): Promise<Identified> {
    const workspace = await this.#records.getWorkspace(workspaceId);
    return workspace === null ? { kind: 'unknown' } : identified(workspace, 'read', { ip });
  }
}

/** Whether a key of the scope may do what needs another. */
export function covers(scope: KeyScope, needed: KeyScope): boolean {
  return KEY_SCOPES.indexOf(scope) >= KEY_SCOPES.indexOf(needed);
}

function identified(
  workspace: WorkspaceRecord,
  scope: KeyScope,
  { keyId = null, user = null, ip = null }: Partial<Actor>,
): Identified {
  if (workspace.disabled !== null) return { kind: 'disabled', workspace };
  const actor = { keyId, user, ip };
  const { id: workspaceId, limits } = workspace;
  return { kind: 'caller', caller: { workspaceId, actor, creator: creatorOf(actor), scope, limits } };
}

/**
 * `Authorization: Bearer <key>`, also with a doubled `Bearer`; or `x-api-key: <key>`, which older documentation shows; or `api-key: <key>`,
 * as clients of Azure send it.
 */
function keyOf(headers: IncomingHttpHeaders): string | null {
  const bearer = /^(?:bearer\s+)+(\S+)\s*$/i.exec(headers.authorization ?? '');
  if (bearer !== null) return bearer[1];
  const header = headers['x-api-key'] ?? headers['api-key'];
  return typeof header === 'string' && header !== '' ? header : null;
}
