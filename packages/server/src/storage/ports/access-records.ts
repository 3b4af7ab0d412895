import type { Actor } from './audit-records.ts';
import type { WorkspaceRecord } from './workspace-records.ts';

/** API keys and the few secrets of an installation. */
export interface AccessRecords {
  /** Repeating it with the same id answers the existing key. */
  createKey(key: NewApiKey, by?: Actor): Promise<ApiKeyRecord>;

  /** Oldest first, revoked and expired ones included. */
  listKeys(): Promise<ApiKeyRecord[]>;

  /**
   * The key with this hash and its workspace, or null; whether it may be used its `state` says. The use of a live key is noted, to
   * within `LAST_USED_STEP_MS`, so that a call costs no write.
   */
  findKey(hash: string): Promise<{ key: ApiKeyRecord; workspace: WorkspaceRecord } | null>;

  /** At once: the next `findKey` says so. False if there was no such key, or it is revoked already. */
  revokeKey(keyId: string, by?: Actor): Promise<boolean>;

  /**
   * Whether any key was ever made, revoked and expired ones included. Until then Bora answers everybody, and therefore binds to
   * loopback only; once true it stays true, so that neither a revocation nor time ever opens what was closed.
   */
  hasKeys(): Promise<boolean>;

  /** A secret of 32 random bytes, made at first use and kept: it signs download URLs. Lower-case hex. */
  signingSecret(): Promise<string>;
}

/** How coarse `lastUsedAt` is. */
export const LAST_USED_STEP_MS = 10 * 60 * 1000;

export const KEY_SCOPES = ['read', 'write', 'admin'] as const;

/** What a key may do; each includes those before it. `admin` is over all workspaces and keys of the installation. */
export type KeyScope = (typeof KEY_SCOPES)[number];

export interface NewApiKey {
  readonly id: string;
  /** Name of the workspace; created if it does not exist. */
  readonly workspace: string;
  /** What uses it, for people. */
  readonly name: string;
  /** Whose it is: all keys of a workspace with the same user are the same person. Default: nobody's but its own. */
  readonly user?: string | null;
  /** Default `write`. */
  readonly scope?: KeyScope;
  /** Default: never. */
  readonly expiresAt?: number | null;
  /** Lower-case hex SHA-256 of the key. The key itself is never stored. */
  readonly hash: string;
  /** First characters of the key, so that people can tell keys apart. */
  readonly prefix: string;
}

export interface ApiKeyRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly workspace: string;
  readonly name: string;
  readonly user: string | null;
  readonly scope: KeyScope;
  readonly prefix: string;
  readonly state: 'live' | 'expired' | 'revoked';
  readonly createdAt: number;
  readonly expiresAt: number | null;
  /** To within `LAST_USED_STEP_MS`; null if it never was. */
  readonly lastUsedAt: number | null;
  readonly revokedAt: number | null;
}
