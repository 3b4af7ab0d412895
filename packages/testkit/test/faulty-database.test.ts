import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSqliteDatabase } from '@bora/server/storage/sqlite/open-sqlite-database';
import { faultyDatabase, InjectedFault, type FaultPlan } from '@bora/testkit/faulty-database';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';

const KEY = { id: 'k', workspace: 'w', name: 'n', hash: 'h', prefix: 'p' };

describe('a faulty database', () => {
  it('fails before: nothing has happened', async () => {
    await using opened = await openFaulty(() => 'fail-before');
    await assert.rejects(opened.faulty.createKey(KEY), InjectedFault);
    assert.deepEqual(await opened.database.listKeys(), []);
  });

  it('fails after the commit: it has happened, and the caller cannot tell', async () => {
    await using opened = await openFaulty(() => 'fail-after-commit');
    await assert.rejects(opened.faulty.createKey(KEY), InjectedFault);
    assert.equal((await opened.database.listKeys()).length, 1);
  });

  it('passes what the plan lets pass, each method counted for itself', async () => {
    const asked: string[] = [];
    await using opened = await openFaulty((method, call) => {
      asked.push(`${method} ${call}`);
      return method === 'createKey' && call === 2 ? 'fail-before' : 'pass';
    });
    const { faulty } = opened;
    const key = await faulty.createKey(KEY);
    await faulty.ping();
    await assert.rejects(faulty.createKey(KEY), { name: 'InjectedFault', message: /Call 2 of createKey/ });
    assert.deepEqual(await faulty.createKey(KEY), key);
    assert.deepEqual(asked, ['createKey 1', 'ping 1', 'createKey 2', 'createKey 3']);
  });

  it('leaves the errors of the database what they are', async () => {
    await using opened = await openFaulty(() => 'fail-after-commit');
    await assert.rejects(opened.faulty.reserveBlobs('unknown', 1), { name: 'BlobNotWritten' });
  });

  it('passes hints on', async () => {
    await using opened = await openFaulty(() => 'pass');
    const kinds: string[] = [];
    const leave = opened.faulty.onHint(({ kind }) => kinds.push(kind));
    await opened.faulty.releaseShards(await opened.faulty.openSession(), []);
    assert.deepEqual(kinds, ['work']);
    leave();
  });
});

async function openFaulty(plan: FaultPlan) {
  const folder = await makeTemporaryFolder();
  const database = await openSqliteDatabase({ folder: folder.path, clock: new SimulatedClock() });
  return {
    database,
    faulty: faultyDatabase(database, plan),
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
