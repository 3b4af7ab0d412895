import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database } from '../src/storage/ports/database.ts';
import type { FoldedRow } from '../src/storage/ports/journal.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import { openEngineWorld, type EngineWorld } from './engine-world.ts';
import { succeeded } from './scripted-upstreams.ts';

const ROUTE = '/v1/chat/completions m';
const REQUESTS = 16;
const OPTIONS = { timeout: 60_000 };
const ANSWER = 'x'.repeat(20_000);
/** Three answers are more, two are not. */
const SETTINGS = { foldBytes: 50_000, foldParkedBytes: 30_000 };

describe('the journal of a shard', OPTIONS, () => {
  it('is folded each time that it has grown so much, no row twice, and commits as if it were not', async () => {
    const folds = new Folds();
    await using world = await openEngineWorld({ settings: SETTINGS, database: folds.wrap });
    const batchId = await startOneByOne(world, REQUESTS);
    await assertWhole(world, batchId);
    assert.ok(folds.rows.length >= 3, `${folds.rows.length} folds`);
    const keys = folds.rows.flat().map(({ epoch, sequence }) => `${epoch}/${sequence}`);
    assert.equal(new Set(keys).size, keys.length);
    assert.ok(keys.length < REQUESTS, 'what comes last is committed from its row');
    await world.waitFor(async () => (await collectable(world)) === folds.rows.length);
  });

  it('is folded before the shard is parked; nothing in it is sent again', async () => {
    const folds = new Folds();
    await using world = await openEngineWorld({ settings: SETTINGS, speed: 10, database: folds.wrap });
    const batchId = await startOneByOne(world, 2);
    await world.until(batchId, ({ parked }) => parked.length === 1);
    assert.equal(folds.rows.flat().length, 2);
    goOn(world);
    await assertWhole(world, batchId);
  });

  it('stays where it is if the parked shard holds little', async () => {
    const folds = new Folds();
    await using world = await openEngineWorld({ settings: SETTINGS, speed: 10, database: folds.wrap });
    const batchId = await startOneByOne(world, 1);
    await world.until(batchId, ({ parked }) => parked.length === 1);
    assert.deepEqual(folds.rows, []);
    goOn(world);
    await assertWhole(world, batchId);
  });

  it('stays where it is while there is no room, and is folded when it grows on', async () => {
    const folds = new Folds();
    let failures = 2;
    await using world = await openEngineWorld({
      settings: SETTINGS,
      database: folds.wrap,
      blobs: (blobs) => fillingUp(blobs, () => failures-- > 0),
    });
    const batchId = await startOneByOne(world, REQUESTS);
    await assertWhole(world, batchId);
    assert.ok(failures < 0);
    assert.ok(folds.rows[0].length >= 9, `${folds.rows[0].length} rows made up for`);
  });

  it('is left alone by a fold that comes too late: the lease is gone', async () => {
    let released = false;
    await using world = await openEngineWorld({
      settings: SETTINGS,
      speed: 10,
      database: (database) => ({
        ...database,
        async foldJournal(lease, rows) {
          if (!released) await database.releaseShards(lease.session, [lease]);
          released = true;
          return database.foldJournal(lease, rows);
        },
      }),
    });
    const batchId = await startOneByOne(world, 2);
    await world.waitFor(() => released);
    goOn(world);
    await assertWhole(world, batchId);
  });
});

/** Remembers what was folded. */
class Folds {
  readonly rows: (readonly FoldedRow[])[] = [];

  readonly wrap = (database: Database): Database => ({
    ...database,
    foldJournal: async (lease, rows) => {
      const result = await database.foldJournal(lease, rows);
      if (result === 'folded') this.rows.push(rows);
      return result;
    },
  });
}

/** A batch of one shard, each answer journaled in a row of its own; after `answers` of them nobody serves its model any more. */
async function startOneByOne(world: EngineWorld, answers: number): Promise<string> {
  world.upstreams.window = 1;
  world.upstreams.serve([ROUTE]);
  const lines = Array.from(
    { length: REQUESTS },
    (_, at) => `{"custom_id":"r${at}","body":{"messages":[{"role":"user","content":"r${at}"}]}}`,
  );
  const batchId = await world.create([await world.upload(lines)]);
  world.upstreams.answer = async () => {
    const nth = world.upstreams.sent.length;
    await world.until(batchId, (batch) => batch.succeeded === nth - 1);
    if (nth === answers && answers < REQUESTS) world.upstreams.serve([]);
    return succeeded({ nth, text: ANSWER });
  };
  world.worker.start();
  return batchId;
}

function goOn(world: EngineWorld): void {
  world.upstreams.answer = () => succeeded({ nth: world.upstreams.sent.length, text: ANSWER });
  world.upstreams.serve([ROUTE]);
}

/** Each request was sent once, and its answer stands in its place. */
async function assertWhole(world: EngineWorld, batchId: string): Promise<void> {
  const batch = await world.ended(batchId);
  assert.equal(world.upstreams.sent.length, REQUESTS);
  const lines = await world.lines(batch.outputFileId);
  assert.deepEqual(
    lines.map(({ custom_id, response }) => [custom_id, response.body]),
    Array.from({ length: REQUESTS }, (_, at) => [`r${at}`, { nth: at + 1, text: ANSWER }]),
  );
}

async function collectable(world: EngineWorld): Promise<number> {
  return (await world.database.collectableBlobs(0, 100)).length;
}

function fillingUp(blobs: BlobStore, isFull: () => boolean): BlobStore {
  return {
    create: (name) => (isFull() ? Promise.reject(new Error('No room.')) : blobs.create(name)),
    read: (...range) => blobs.read(...range),
    remove: (name) => blobs.remove(name),
    syncRemovals: () => blobs.syncRemovals(),
    freeBytes: () => blobs.freeBytes(),
  };
}
