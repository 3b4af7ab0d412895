/**
 * The audit log: who changed what, when. Each entry is written by the method that does the act, in the same transaction, so that no
 * act is without its entry and no entry without its act; a repeat of the method adds none.
 */
export interface AuditRecords {
  /** Newest first. `next` continues behind the last entry; null at the end. Entries of one page are one moment's. */
  readAudit(filter: AuditFilter): Promise<{ entries: AuditEntry[]; next: number | null }>;

  /** Forgets up to `limit` entries older than `maxAgeMs`, oldest first. Returns how many. */
  pruneAudit(maxAgeMs: number, limit: number): Promise<number>;
}

export const AUDIT_ACTIONS = [
  'file.create',
  'file.delete',
  'batch_job.create',
  'batch_job.cancel',
  'batch_job.delete',
  'api_key.create',
  'api_key.revoke',
  'workspace.create',
  'workspace.limits',
  'workspace.weight',
  'workspace.disable',
  'workspace.enable',
] as const;

/** The first five are the names that Mistral's own audit log has, or would have, for them (docs). */
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/** Who acts, as the audit log names them. */
export interface Actor {
  /** Null without keys, and for the command line, which works on the data folder itself. */
  readonly keyId: string | null;
  /** The key's user; of the command line the user of the operating system. */
  readonly user: string | null;
  /** Where the call came from, as far as the connection tells. */
  readonly ip: string | null;
}

/** Whoever names no actor. */
export const NOBODY: Actor = { keyId: null, user: null, ip: null };

/**
 * Under which name what somebody makes is kept: the user's, so that all keys of a user are the same person, else the key's own id.
 * Null without keys, where everybody is the same.
 */
export function creatorOf({ user, keyId }: Actor): string | null {
  return keyId === null ? null : (user ?? keyId);
}

export interface AuditEntry {
  /** Grows with time. */
  readonly id: number;
  readonly at: number;
  readonly action: AuditAction;
  readonly workspaceId: string;
  readonly workspace: string;
  readonly actor: Actor;
  /** Id of the file, job, key or workspace. */
  readonly subjectId: string;
  /** What changed, where the action alone does not tell: names and figures, as the API names them, times in seconds; never contents. */
  readonly detail: Readonly<Record<string, unknown>> | null;
}

export interface AuditFilter {
  readonly pageSize: number;
  /** Entries older than this one's id: `next` of the page before. */
  readonly before?: number;
  /** Inclusive. */
  readonly from?: number;
  /** Exclusive. */
  readonly to?: number;
  /** Any of these. */
  readonly actions?: readonly AuditAction[];
  readonly workspaceId?: string;
  readonly subjectId?: string;
}
