import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { hashOfKey, makeApiKey } from '../src/access/api-key.ts';
import { AuditRetention } from '../src/access/audit-retention.ts';
import { Authenticator, covers } from '../src/access/authenticate.ts';
import { createApiKey } from '../src/access/create-key.ts';
import { checkBinding, isLoopback } from '../src/access/loopback.ts';
import { signDownload, verifyDownload } from '../src/access/signed-url.ts';
import { silentLog } from '../src/observe/log.ts';
import { KEY_SCOPES } from '../src/storage/ports/access-records.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';

const SECRET = 'ab'.repeat(32);
const GRANT = { fileId: 'f'.repeat(36), workspaceId: 'w1', expires: 1_000 };

async function openRecords() {
  const folder = await makeTemporaryFolder();
  const clock = new SimulatedClock();
  const database = await openSqliteDatabase({ folder: folder.path, clock });
  return {
    clock,
    database,
    access: new Authenticator(database),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function bearer(key: string): { authorization: string } {
  return { authorization: `Bearer ${key}` };
}

test('a fresh key is long, marked, and found only by its hash', () => {
  const made = makeApiKey((count) => new Uint8Array(count).fill(7));
  assert.match(made.key, /^bora-[\w-]{43}$/);
  assert.equal(made.hash, hashOfKey(made.key));
  assert.ok(made.key.startsWith(made.prefix) && made.prefix.length < 12);
});

test('without keys everybody is an admin of the default workspace, and the same person', async () => {
  await using world = await openRecords();
  for (const headers of [{}, bearer('anything')]) {
    const identified = await world.access.identify(headers, '127.0.0.1');
    assert.ok(identified.kind === 'caller');
    const { id: workspaceId, limits } = await world.database.defaultWorkspace();
    const actor = { keyId: null, user: null, ip: '127.0.0.1' };
    assert.deepEqual(identified.caller, { workspaceId, actor, creator: null, scope: 'admin', limits });
  }
});

test('once a key exists, only live keys are let in, in each of the ways they are sent', async () => {
  await using world = await openRecords();
  const { key, record } = await createApiKey(world.database, { workspace: 'team', name: 'n', scope: 'read' });
  for (const headers of [bearer(key), { authorization: `bearer Bearer ${key}` }, { 'x-api-key': key }]) {
    const identified = await world.access.identify(headers, null);
    assert.ok(identified.kind === 'caller');
    const { workspaceId, creator, scope } = identified.caller;
    assert.deepEqual([workspaceId, creator, scope], [record.workspaceId, record.id, 'read']);
  }
  for (const headers of [{}, bearer('wrong'), { authorization: key }, { 'x-api-key': '' }]) {
    assert.deepEqual(await world.access.identify(headers, null), { kind: 'unknown' });
  }
});

test('keys of one user make things under one name', async () => {
  await using world = await openRecords();
  for (const name of ['laptop', 'phone']) {
    const { key } = await createApiKey(world.database, { workspace: 'team', name, user: 'ada' });
    const identified = await world.access.identify(bearer(key), null);
    assert.ok(identified.kind === 'caller');
    assert.equal(identified.caller.creator, 'ada');
  }
});

test('an expired or revoked key is refused with the very next call, and the last one closes Bora for good', async () => {
  await using world = await openRecords();
  const { database, clock } = world;
  const short = await createApiKey(database, {
    workspace: 'team',
    name: 's',
    expiresAt: clock.now() + 1_000,
  });
  const long = await createApiKey(database, { workspace: 'team', name: 'l' });
  const kinds = async (): Promise<string[]> =>
    Promise.all([short, long].map(async ({ key }) => (await world.access.identify(bearer(key), null)).kind));
  assert.deepEqual(await kinds(), ['caller', 'caller']);
  await clock.advance(1_000);
  assert.deepEqual(await kinds(), ['expired', 'caller']);
  await database.revokeKey(long.record.id);
  assert.deepEqual(await kinds(), ['expired', 'revoked']);
  assert.deepEqual(await new Authenticator(database).identify({}, null), { kind: 'unknown' });
});

test('a disabled workspace lets nobody in, not even with a link, until it is enabled', async () => {
  await using world = await openRecords();
  const { database } = world;
  const { key, record } = await createApiKey(database, { workspace: 'team', name: 'n' });
  const kinds = async (): Promise<string[]> => [
    (await world.access.identify(bearer(key), null)).kind,
    (await world.access.identifyHolder(record.workspaceId, null)).kind,
  ];
  await database.changeWorkspace(record.workspaceId, { disabled: 'unpaid' });
  assert.deepEqual(await kinds(), ['disabled', 'disabled']);
  await database.changeWorkspace(record.workspaceId, { disabled: null });
  assert.deepEqual(await kinds(), ['caller', 'caller']);
  assert.deepEqual(await world.access.identifyHolder('nowhere', null), { kind: 'unknown' });
});

test('each scope covers those below it', () => {
  const covered = KEY_SCOPES.map((scope) => KEY_SCOPES.filter((needed) => covers(scope, needed)));
  assert.deepEqual(covered, [['read'], ['read', 'write'], ['read', 'write', 'admin']]);
});

test('the audit log is kept for its time, and looked through again each hour', async () => {
  const clock = new SimulatedClock();
  const left = [1_000, 1_000, 3, 0, 0];
  const asked: number[] = [];
  const database = {
    pruneAudit: async (maxAgeMs: number) => {
      asked.push(maxAgeMs);
      if (asked.length === 4) throw new Error('no');
      return left.shift() ?? 0;
    },
  };
  const retention = new AuditRetention({ database, clock, log: silentLog, keepMs: 5 });
  retention.start();
  await clock.advance(0);
  assert.deepEqual(asked, [5, 5, 5], 'goes on at once while there is more');
  await clock.advance(2 * 60 * 60 * 1000);
  assert.equal(asked.length, 5, 'a failure is left for the next hour');
  await retention.stop();
  await clock.advance(60 * 60 * 1000);
  assert.equal(asked.length, 5);
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
