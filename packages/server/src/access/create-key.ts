import { randomBytes, randomUUID } from 'node:crypto';
import type { AccessRecords, ApiKeyRecord } from '../storage/ports/access-records.ts';
import { makeApiKey } from './api-key.ts';

/** Makes an API key for a workspace, which is created if it is new. `key` is the only time that the key itself is seen. */
export async function createApiKey(
  records: Pick<AccessRecords, 'createKey'>,
  wanted: { readonly workspace: string; readonly name: string },
): Promise<{ readonly key: string; readonly record: ApiKeyRecord }> {
  const { key, hash, prefix } = makeApiKey(randomBytes);
  const record = await records.createKey({ id: randomUUID(), ...wanted, hash, prefix });
  return { key, record };
}
