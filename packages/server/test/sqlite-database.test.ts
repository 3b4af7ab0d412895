import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import SqliteDatabase from 'better-sqlite3';
import { registerDatabaseContract } from '@bora/testkit/contracts/database-contract';
import { openEmptySqlite } from '@bora/testkit/contracts/database/open-empty-sqlite';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { DatabaseRefused } from '../src/storage/ports/database.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';

const clock = new SimulatedClock();

registerDatabaseContract('SQLite', () => openEmptySqlite());

it('a second start on a folder is refused and names the holder; the folder is free once that one is closed', async () => {
  await using folder = await makeTemporaryFolder();
  const first = await openSqliteDatabase({ folder: folder.path, clock });
  await assert.rejects(openSqliteDatabase({ folder: folder.path, clock }), (error: unknown) => {
    assert.ok(error instanceof DatabaseRefused);
    assert.equal(error.code, 'data_folder_in_use');
    assert.ok(
      error.message.includes(`process ${process.pid}, since ${new Date(clock.now()).toISOString()}`),
      error.message,
    );
    return true;
  });
  await first.ping();
  await first[Symbol.asyncDispose]();
  await using second = await openSqliteDatabase({ folder: folder.path, clock });
  await second.ping();
});

it('a folder is held against other processes, and freed by the death of its holder', async () => {
  await using folder = await makeTemporaryFolder();
  const open = `
    import { openSqliteDatabase } from '${new URL('../src/storage/sqlite/open-sqlite-database.ts', import.meta.url).href}';
    import { systemClock } from '${new URL('../src/observe/clock.ts', import.meta.url).href}';
    const database = await openSqliteDatabase({ folder: '${folder.path}', clock: systemClock });
    await database.defaultWorkspace();
    process.kill(process.pid, 'SIGKILL');`;
  const start = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', open]);
  {
    await using holder = await openSqliteDatabase({ folder: folder.path, clock });
    await assert.rejects(start(), new RegExp(`data folder is in use.*process ${process.pid}`));
    await holder.ping();
  }
  await assert.rejects(start(), { signal: 'SIGKILL' });
  await using next = await openSqliteDatabase({ folder: folder.path, clock });
  await next.ping();
});

it('without the lock a folder can be written beside its holder, whose sessions live on', async () => {
  await using folder = await makeTemporaryFolder();
  await using holder = await openSqliteDatabase({ folder: folder.path, clock });
  const session = await holder.openSession();
  await using beside = await openSqliteDatabase({ folder: folder.path, clock, lock: false });
  await beside.createKey({ id: 'k', workspace: 'w', name: 'n', hash: 'h', prefix: 'p' });
  await beside.openSession();
  assert.equal((await holder.findKey('h'))?.key.id, 'k');
  assert.equal(await holder.heartbeat(session), true);
});

it('a folder of a newer Bora is refused and left as it is', async () => {
  await using folder = await makeTemporaryFolder();
  await (await openSqliteDatabase({ folder: folder.path, clock }))[Symbol.asyncDispose]();
  const db = new SqliteDatabase(join(folder.path, 'bora.sqlite'));
  db.pragma('user_version = 999');
  db.close();
  await assert.rejects(openSqliteDatabase({ folder: folder.path, clock }), (error: unknown) => {
    assert.ok(error instanceof DatabaseRefused);
    assert.equal(error.code, 'data_folder_newer');
    assert.match(error.message, /schema 999/);
    return true;
  });
  // Refused, it does not keep the folder: the second refusal is again about the version, not about a holder.
  await assert.rejects(openSqliteDatabase({ folder: folder.path, clock }), { code: 'data_folder_newer' });
});

it('migrations are numbered from 1 on, each number once: a folder knows only how many it has had', () => {
  const folder = new URL('../src/storage/sqlite/migrations/', import.meta.url);
  const numbers = readdirSync(folder)
    .toSorted()
    .map((name) => Number(name.slice(0, 3)));
  assert.deepEqual(
    numbers,
    numbers.map((_, place) => place + 1),
  );
});

it('migrations run once, by one of several that open at the same moment', async () => {
  await using folder = await makeTemporaryFolder();
  const options = { folder: folder.path, clock, lock: false };
  const opened = await Promise.all([1, 2, 3].map(() => openSqliteDatabase(options)));
  const workspaces = await Promise.all(opened.map((database) => database.defaultWorkspace()));
  assert.equal(new Set(workspaces.map(({ id }) => id)).size, 1);
  for (const database of opened) await database[Symbol.asyncDispose]();
});

it('the journal is write-ahead and every commit is synced', async () => {
  await using folder = await makeTemporaryFolder();
  const probe = new URL('./pragma-probe.ts', import.meta.url);
  await using database = await openSqliteDatabase({ folder: folder.path, clock, storeVariant: probe });
  const pragmas = JSON.parse(await database.signingSecret()) as unknown;
  assert.deepEqual(pragmas, { journal_mode: 'wal', synchronous: 2, foreign_keys: 1, busy_timeout: 5_000 });
});

it('calls of a closed database reject, and closing twice is closing once', async () => {
  await using folder = await makeTemporaryFolder();
  const database = await openSqliteDatabase({ folder: folder.path, clock });
  const answered = database.ping();
  await Promise.all([database[Symbol.asyncDispose](), database[Symbol.asyncDispose]()]);
  await answered;
  await assert.rejects(database.ping());
});

it('tells that it is lost when its thread dies, rejects every call, and can be closed', async () => {
  await using folder = await makeTemporaryFolder();
  const storeVariant = new URL(import.meta.resolve('@bora/testkit/dying-thread'));
  const database = await openSqliteDatabase({ folder: folder.path, clock, storeVariant });
  const lost = once(database.lost, 'abort');
  // The death may overtake the answer of the call that brings it about.
  await database.ping().catch(() => undefined);
  await lost;
  assert.match(
    String(database.lost.reason),
    /thread of the database has ended. The planted defect broke out/,
  );
  await assert.rejects(database.hasKeys(), /has ended/);
  await database[Symbol.asyncDispose]();
});

it('is not lost when it is closed', async () => {
  await using folder = await makeTemporaryFolder();
  const database = await openSqliteDatabase({ folder: folder.path, clock });
  await database[Symbol.asyncDispose]();
  assert.equal(database.lost.aborted, false);
});

it('a failed transaction leaves nothing behind, and the next call works', async () => {
  await using folder = await makeTemporaryFolder();
  await using database = await openSqliteDatabase({ folder: folder.path, clock });
  const session = await database.openSession();
  const [name] = await database.reserveBlobs(session, 1);
  const unknown = { kind: 'object', name: 'unknown', offset: 0, length: 1, checksum: '' } as const;
  const { id: workspaceId } = await database.defaultWorkspace();
  const file = {
    id: 'f',
    workspaceId,
    filename: 'f',
    purpose: 'batch',
    sampleType: 'batch_request',
    source: 'upload',
    mimetype: null,
    bytes: 2,
    numLines: null,
    signature: null,
    visibility: 'workspace',
    expireMs: null,
    createdBy: null,
    lineIndex: null,
    cuts: null,
  } as const;
  await assert.rejects(database.createFile({ ...file, manifest: [{ ...unknown, name }, unknown] }, session));
  await database.createFile({ ...file, manifest: [{ ...unknown, name }] }, session);
  assert.equal((await database.readManifest('f', 0, 10)).length, 1);
});

it('after a failure of the disk the database is opened anew, under the same boot', async () => {
  await using folder = await makeTemporaryFolder();
  const storeVariant = new URL('./disk-failure-variant.ts', import.meta.url);
  await using database = await openSqliteDatabase({ folder: folder.path, clock, storeVariant });
  const session = await database.openSession();
  await assert.rejects(database.signingSecret(), { code: 'SQLITE_IOERR_FSYNC' });
  assert.equal(await database.signingSecret(), 'opened 2 times');
  await database.openSession();
  assert.equal(await database.heartbeat(session), true);
});
