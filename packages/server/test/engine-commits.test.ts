import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../src/storage/ports/database.ts';
import { openEngineWorld, type EngineWorld } from './engine-world.ts';
import { failed, succeeded } from './scripted-upstreams.ts';

const REQUESTS = 16;
const OPTIONS = { timeout: 60_000 };

describe('the last answers of a shard', OPTIONS, () => {
  it('are committed at once, without a stay in the journal', async () => {
    const journal = new JournalCalls();
    await using world = await openEngineWorld({ database: journal.wrap });
    world.upstreams.answer = (body) =>
      JSON.stringify(body).includes('"r3"') ? failed(400) : succeeded({ ok: true });
    const batchId = await start(world);
    const batch = await world.ended(batchId);
    assert.deepEqual([batch.succeeded, batch.failed], [REQUESTS - 1, 1]);
    assert.deepEqual(
      batch.errors.map(({ count }) => count),
      [1],
    );
    assert.deepEqual(await customIds(world, batchId), customIdsBut('r3'));
    assert.equal(journal.outcomes, 0);
  });

  it('take their places among those that were journaled before', async () => {
    const journal = new JournalCalls();
    await using world = await openEngineWorld({ database: journal.wrap });
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    world.upstreams.answer = async (body) => {
      if (/"r[07]"/.test(JSON.stringify(body))) await held;
      return succeeded({ ok: true });
    };
    const batchId = await start(world);
    await world.until(batchId, (batch) => batch.succeeded === REQUESTS - 2);
    letGo();
    assert.equal((await world.ended(batchId)).succeeded, REQUESTS);
    assert.deepEqual(await customIds(world, batchId), customIdsBut());
    assert.equal(journal.outcomes, REQUESTS - 2);
  });

  it('wait in the journal while results cannot be written, counted and safe', async () => {
    let isFull = true;
    await using world = await openEngineWorld({
      speed: 20,
      blobs: (blobs) => ({
        ...blobs,
        create: (name) => (isFull ? Promise.reject(new Error('ENOSPC')) : blobs.create(name)),
      }),
    });
    world.upstreams.answer = () => succeeded({ text: 'x'.repeat(20_000) });
    const batchId = await start(world);
    await world.until(batchId, (batch) => batch.succeeded === REQUESTS);
    isFull = false;
    await world.ended(batchId);
    assert.deepEqual(await customIds(world, batchId), customIdsBut());
    assert.equal(world.upstreams.sent.length, REQUESTS);
  });
});

/** Counts the outcomes that were journaled. */
class JournalCalls {
  outcomes = 0;

  readonly wrap = (database: Database): Database => ({
    ...database,
    appendJournal: (session, rows) => {
      for (const row of rows) this.outcomes += row.outcomes.length;
      return database.appendJournal(session, rows);
    },
  });
}

async function start(world: EngineWorld): Promise<string> {
  const lines = Array.from(
    { length: REQUESTS },
    (_, at) => `{"custom_id":"r${at}","body":{"messages":[{"role":"user","content":"r${at}"}]}}`,
  );
  const batchId = await world.create([await world.upload(lines)]);
  world.worker.start();
  return batchId;
}

async function customIds(world: EngineWorld, batchId: string): Promise<(string | null)[]> {
  const lines = await world.lines((await world.batch(batchId)).outputFileId);
  return lines.map(({ custom_id: customId }) => customId);
}

function customIdsBut(...without: readonly string[]): string[] {
  return Array.from({ length: REQUESTS }, (_, at) => `r${at}`).filter((id) => !without.includes(id));
}
