import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { FIRST_PLACE, type ResultPage, type ResultPlace } from '@bora/server/storage/ports/result-pages';
import { DatabaseWorld, inline, resultFiles, type OpenDatabase } from './database-world.ts';

export function registerResultContract(open: OpenDatabase): void {
  describe('results of a batch, page by page', () => {
    it('of an open shard are its journal by ordinal, each the first of its ordinal, whoever holds it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1, count: 6 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 4 }, { ordinal: 1 }, { ordinal: 3, kind: 'failed' }]);
      await world.restart();
      const [again] = await world.claim();
      await world.journal(again, 0, [{ ordinal: 1, kind: 'failed' }, { ordinal: 0 }]);
      const expected = { kind: 'journaled', lines: [0, 1, 4].map(lineOf), next: place(1, 0, 5) };
      assert.deepEqual(shown(await read(world, id)), expected);
      await world.database.releaseShards(world.session, [world.leaseOf(again)]);
      assert.deepEqual(shown(await read(world, id)), expected);
      assert.deepEqual(shown(await read(world, id, FIRST_PLACE, 'error')), {
        kind: 'journaled',
        lines: [lineOf(3)],
        next: place(1, 0, 4),
      });
    });

    it('are bounded, but for a line that is longer: it is a page of its own', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1, count: 6 });
      const [shard] = await world.claim();
      const blob = await world.blob(300_000);
      await world.journal(shard, 0, [{ ordinal: 3, blob }, { ordinal: 0 }, { ordinal: 5 }, { ordinal: 2 }]);
      let next = FIRST_PLACE;
      for (const expected of [
        { lines: [lineOf(0), lineOf(2)], next: place(0, 0, 3) },
        {
          lines: [{ ordinal: 3, kind: 'object', name: blob.name, offset: 0, length: 300_000 }],
          next: place(0, 0, 4),
        },
        { lines: [lineOf(5)], next: place(1, 0, 6) },
      ]) {
        const page = await read(world, id, next, 'output', 9);
        assert.deepEqual(shown(page), { kind: 'journaled', ...expected });
        next = expected.next;
      }
      assert.deepEqual(await read(world, id, next), { kind: 'caught-up' });
      await world.journal(shard, 1, [{ ordinal: 4 }]);
      assert.deepEqual(await read(world, id, next), { kind: 'caught-up' }, 'what came late is not given');
    });

    it('name the places of folded lines, among others', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1, count: 4 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 2 }, { ordinal: 0 }]);
      const [{ blob }] = await world.fold(shard);
      await world.journal(shard, 1, [{ ordinal: 1 }]);
      const folded = { kind: 'object', name: blob.name, length: 4 };
      assert.deepEqual(shown(await read(world, id)), {
        kind: 'journaled',
        lines: [{ ordinal: 0, ...folded, offset: 4 }, lineOf(1), { ordinal: 2, ...folded, offset: 0 }],
        next: place(1, 0, 3),
      });
    });

    it('of a committed shard are its parts, one by one, also for who has read it open', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 2, count: 3 });
      const [shard, other] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1, kind: 'failed' }, { ordinal: 2 }]);
      await world.journal(other, 0, [{ ordinal: 4 }]);
      const { next } = (await read(world, id, FIRST_PLACE, 'output', 1)) as { next: ResultPlace };
      assert.deepEqual(next, place(0, 0, 1));
      const [first, second, error] = ['first\n', 'second\n', 'error\n'].map(inline);
      const parts = [
        { kind: 'output', blob: first, lines: 1 },
        { kind: 'output', blob: second, lines: 1 },
        { kind: 'error', blob: error, lines: 1 },
      ] as const;
      const { shardId, epoch } = world.leaseOf(shard);
      const commit = { shardId, epoch, parts, errors: {} };
      assert.deepEqual(await world.database.commitShards(world.session, [commit]), ['committed']);

      const committed = (blob: typeof first, part: number, ordinal: number): object => ({
        kind: 'committed',
        blob,
        next: place(0, part, ordinal),
      });
      assert.deepEqual(shown(await read(world, id, next)), committed(first, 1, 1));
      assert.deepEqual(shown(await read(world, id, place(0, 1, 2))), committed(second, 2, 2));
      assert.deepEqual(shown(await read(world, id, FIRST_PLACE, 'error')), committed(error, 3, 0));
      assert.deepEqual(shown(await read(world, id, place(0, 2, 3))), {
        kind: 'journaled',
        lines: [lineOf(4)],
        next: place(2, 0, 5),
      });
      assert.deepEqual(await read(world, id, place(0, 3, 2), 'error'), { kind: 'caught-up' });
    });

    it('pass over shards without any of the kind', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 4, count: 1 });
      const [, committed, failed, last] = await world.claim();
      assert.deepEqual(await read(world, id), { kind: 'caught-up' });
      await world.journal(committed, 0, [{ ordinal: 1, kind: 'failed' }]);
      await world.commit(committed, { error: 1 });
      await world.journal(failed, 0, [{ ordinal: 2, kind: 'failed' }]);
      await world.journal(last, 0, [{ ordinal: 3 }]);
      assert.deepEqual(shown(await read(world, id)), {
        kind: 'journaled',
        lines: [lineOf(3)],
        next: place(4, 0, 4),
      });
    });

    it('of an ended batch lie in its files, wherever the reader was', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      assert.equal((await read(world, id))?.kind, 'committed', 'while it is finalised');
      const files = resultFiles();
      await world.finalise(id, files);
      for (const from of [FIRST_PLACE, place(0, 1, 1), place(1, 0, 2)]) {
        assert.deepEqual(await read(world, id, from), { kind: 'ended', fileId: files.outputFileId });
        assert.deepEqual(await read(world, id, from, 'error'), { kind: 'ended', fileId: null });
      }
    });

    it('are not there for other workspaces, nor once the batch is deleted', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const asked = { kind: 'output', from: FIRST_PLACE, mostBytes: 100 } as const;
      assert.equal((await database.readResults(workspaceId, id, asked))?.kind, 'journaled');
      assert.equal(await database.readResults(workspaceId, randomUUID(), asked), null);
      assert.equal(await database.readResults(await world.workspace('other'), id, asked), null);
      await database.deleteBatch(workspaceId, id);
      assert.equal(await database.readResults(workspaceId, id, asked), null);
    });
  });
}

function read(
  { database, workspaceId }: DatabaseWorld,
  batchId: string,
  from: ResultPlace = FIRST_PLACE,
  kind: 'output' | 'error' = 'output',
  mostBytes = 1_000,
): Promise<ResultPage | null> {
  return database.readResults(workspaceId, batchId, { kind, from, mostBytes });
}

function place(shard: number, part: number, ordinal: number): ResultPlace {
  return { shard, part, ordinal };
}

/** As `journalRow` writes it. */
function lineOf(ordinal: number): object {
  return { ordinal, ...inline(`${String(ordinal).padStart(3)}\n`) };
}

/** With bytes as a Buffer, whatever they came as, and of objects what tells where a line lies. */
function shown(page: ResultPage | null): unknown {
  if (page?.kind === 'committed') {
    return { ...page, blob: page.blob.kind === 'inline' ? inlineAgain(page.blob.bytes) : page.blob };
  }
  if (page?.kind !== 'journaled') return page;
  const lines = page.lines.map(({ ordinal, line }) => {
    if (line.kind === 'inline') return { ordinal, ...inlineAgain(line.bytes) };
    const { kind, name, offset, length } = line;
    return { ordinal, kind, name, offset, length };
  });
  return { ...page, lines };
}

function inlineAgain(bytes: Uint8Array): object {
  return { kind: 'inline', bytes: Buffer.from(bytes) };
}
