import { randomBytes, randomUUID } from 'node:crypto';
import type { AccessRecords, ApiKeyRecord, NewApiKey } from '../storage/ports/access-records.ts';
import type { Actor } from '../storage/ports/audit-records.ts';
import { makeApiKey } from './api-key.ts';

/** Makes an API key for a workspace, which is created if it is new. `key` is the only time that the key itself is seen. */
export async function createApiKey(
  records: Pick<AccessRecords, 'createKey'>,
  wanted: Omit<NewApiKey, 'id' | 'hash' | 'prefix'>,
  by?: Actor,
): Promise<{ readonly key: string; readonly record: ApiKeyRecord }> {
  const { key, hash, prefix } = makeApiKey(randomBytes);
  const record = await records.createKey({ id: randomUUID(), ...wanted, hash, prefix }, by);
  return { key, record };
}
