import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../observe/clock.ts';
import type { AccessRecords } from '../storage/ports/access-records.ts';
import { hashOfKey } from './api-key.ts';

/** Who calls. `keyId` is null where no key exists at all, and everybody is the default workspace. */
export interface Caller {
  readonly workspaceId: string;
  readonly keyId: string | null;
}

/** How long Bora may still answer everybody after the first key was made (by another process: `bora keys create`). */
const HAS_KEYS_FOR_MS = 1_000;

export class Authenticator {
  readonly #records: AccessRecords;
  readonly #clock: Clock;
  #hasKeys: { readonly answer: boolean; readonly until: number } | null = null;
  #defaultWorkspaceId: string | null = null;

  constructor(records: AccessRecords, clock: Clock) {
    this.#records = records;
    this.#clock = clock;
  }

  /** Null if the call brings no live key although keys exist. A key is looked up each time, so a revoked one stops at once. */
  async authenticate(headers: IncomingHttpHeaders): Promise<Caller | null> {
    if (!(await this.#keysExist())) return { workspaceId: await this.#defaultWorkspace(), keyId: null };
    const key = keyOf(headers);
    if (key === null) return null;
    const record = await this.#records.findKey(hashOfKey(key));
    return record === null ? null : { workspaceId: record.workspaceId, keyId: record.id };
  }

  async #keysExist(): Promise<boolean> {
    const now = this.#clock.elapsed();
    if (this.#hasKeys === null || now >= this.#hasKeys.until) {
      this.#hasKeys = { answer: await this.#records.hasKeys(), until: now + HAS_KEYS_FOR_MS };
    }
    return this.#hasKeys.answer;
  }

  async #defaultWorkspace(): Promise<string> {
    this.#defaultWorkspaceId ??= (await this.#records.defaultWorkspace()).id;
    return this.#defaultWorkspaceId;
  }
}

/** `Authorization: Bearer <key>`, also with a doubled `Bearer`, or `x-api-key: <key>`, which older documentation shows. */
function keyOf(headers: IncomingHttpHeaders): string | null {
  const bearer = /^(?:bearer\s+)+(\S+)\s*$/i.exec(headers.authorization ?? '');
  if (bearer !== null) return bearer[1];
  const header = headers['x-api-key'];
  return typeof header === 'string' && header !== '' ? header : null;
}
