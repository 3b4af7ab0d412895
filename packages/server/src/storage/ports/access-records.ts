/** Workspaces, API keys and the few secrets of an installation. */
export interface AccessRecords {
  /** The workspace that exists from the first start, used where no key says otherwise. */
  defaultWorkspace(): Promise<WorkspaceRecord>;

  createKey(key: NewApiKey): Promise<ApiKeyRecord>;
  listKeys(): Promise<ApiKeyRecord[]>;

  /** The live key with this hash, or null. Revoked and expired keys are not live. */
  findKey(hash: string): Promise<ApiKeyRecord | null>;

  /** At once. False if there was no such live key. */
  revokeKey(keyId: string): Promise<boolean>;

  /** Whether any live key exists: without one Bora answers everybody, and therefore binds to loopback only. */
  hasKeys(): Promise<boolean>;

  /** A secret of 32 random bytes, made at first use and kept: it signs download URLs. Lower-case hex. */
  signingSecret(): Promise<string>;
}

export interface WorkspaceRecord {
  readonly id: string;
  readonly name: string;
}

export interface NewApiKey {
  readonly id: string;
  /** Name of the workspace; created if it does not exist. */
  readonly workspace: string;
  /** Who or what uses it, for people. */
  readonly name: string;
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
  readonly prefix: string;
  readonly createdAt: number;
  readonly revokedAt: number | null;
}
