import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOfKey, makeApiKey } from '../src/access/api-key.ts';
import { Authenticator } from '../src/access/authenticate.ts';
import { checkBinding, isLoopback } from '../src/access/loopback.ts';
import { signDownload, verifyDownload } from '../src/access/signed-url.ts';
import type { Clock } from '../src/observe/clock.ts';
import type { AccessRecords, ApiKeyRecord } from '../src/storage/ports/access-records.ts';

const SECRET = 'ab'.repeat(32);
const GRANT = { fileId: 'f'.repeat(36), workspaceId: 'w1', expires: 1_000 };

function keyRecords(): AccessRecords & { keys: ApiKeyRecord[]; asked: number } {
  const hashes = new Map<string, ApiKeyRecord>();
  const keys: ApiKeyRecord[] = [];
  const records = {
    keys,
    asked: 0,
    defaultWorkspace: async () => ({ id: 'default', name: 'default' }),
    createKey: async (key: { id: string; hash: string; name: string; prefix: string; workspace: string }) => {
      const record = { ...key, workspaceId: `of ${key.workspace}`, createdAt: 0, revokedAt: null };
      keys.push(record);
      hashes.set(key.hash, record);
      return record;
    },
    listKeys: async () => keys,
    findKey: async (hash: string) => hashes.get(hash) ?? null,
    revokeKey: async () => hashes.delete([...hashes.keys()][0]),
    hasKeys: async () => {
      records.asked += 1;
      return hashes.size > 0;
    },
    signingSecret: async () => SECRET,
  };
  return records;
}

function handClock(): Clock & { time: number } {
  const clock = {
    time: 0,
    now: () => clock.time,
    elapsed: () => clock.time,
    sleep: async () => {},
    after: () => () => {},
  };
  return clock;
}

test('a fresh key is long, marked, and found only by its hash', () => {
  const made = makeApiKey((count) => new Uint8Array(count).fill(7));
  assert.match(made.key, /^bora-[\w-]{43}$/);
  assert.equal(made.hash, hashOfKey(made.key));
  assert.ok(made.key.startsWith(made.prefix) && made.prefix.length < 12);
});

test('without keys everybody is the default workspace', async () => {
  const access = new Authenticator(keyRecords(), handClock());
  assert.deepEqual(await access.authenticate({}), { workspaceId: 'default', keyId: null });
  assert.deepEqual(await access.authenticate({ authorization: 'Bearer anything' }), {
    workspaceId: 'default',
    keyId: null,
  });
});

test('once a key exists, only live keys are let in, in each of the ways they are sent', async () => {
  const records = keyRecords();
  const { key, hash, prefix } = makeApiKey((count) => new Uint8Array(count).fill(1));
  await records.createKey({ id: 'k1', workspace: 'team', name: 'n', hash, prefix });
  const access = new Authenticator(records, handClock());
  const known = { workspaceId: 'of team', keyId: 'k1' };
  assert.deepEqual(await access.authenticate({ authorization: `Bearer ${key}` }), known);
  assert.deepEqual(await access.authenticate({ authorization: `bearer Bearer ${key}` }), known);
  assert.deepEqual(await access.authenticate({ 'x-api-key': key }), known);
  for (const headers of [
    {},
    { authorization: 'Bearer wrong' },
    { authorization: key },
    { 'x-api-key': '' },
  ]) {
    assert.equal(await access.authenticate(headers), null);
  }
});

test('whether keys exist is asked at most once a second', async () => {
  const records = keyRecords();
  const clock = handClock();
  const access = new Authenticator(records, clock);
  await access.authenticate({});
  clock.time = 999;
  await access.authenticate({});
  assert.equal(records.asked, 1);
  const { hash, prefix } = makeApiKey((count) => new Uint8Array(count));
  await records.createKey({ id: 'k1', workspace: 'team', name: 'n', hash, prefix });
  clock.time = 1_000;
  assert.equal(await access.authenticate({}), null);
});

test('a signed URL opens its file until its time, and nothing else', () => {
  const query = Object.fromEntries(signDownload(GRANT, SECRET));
  const check = (changes: object, now = 999_999, fileId = GRANT.fileId): unknown =>
    verifyDownload(fileId, { ...query, ...changes }, SECRET, now);
  assert.deepEqual(check({}), GRANT);
  assert.equal(check({}, 1_000_000), null, 'expired');
  assert.equal(check({}, 0, 'e'.repeat(36)), null, 'another file');
  assert.equal(check({ expires: '2000' }), null, 'another time');
  assert.equal(check({ workspace: 'w2' }), null, 'another workspace');
  assert.equal(check({ signature: 'AAAA' }), null, 'another signature');
  assert.equal(check({ signature: ['a', 'b'] }), null, 'two signatures');
  assert.equal(verifyDownload(GRANT.fileId, query, 'cd'.repeat(32), 0), null, 'another secret');
});

test('only loopback addresses are served without a key', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', '::1', '[::1]'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '192.168.1.5', 'example.com', '']) assert.ok(!isLoopback(host), host);
  assert.throws(() => checkBinding('0.0.0.0', false), /no API key exists.*bora keys create/s);
  checkBinding('0.0.0.0', true);
  checkBinding('127.0.0.1', false);
});
