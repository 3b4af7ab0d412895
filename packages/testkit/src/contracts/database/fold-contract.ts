import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FoldedRow } from '@bora/server/storage/ports/journal';
import type { ClaimedShard } from '@bora/server/storage/ports/shard-queue';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

const HOUR_MS = 60 * 60 * 1000;

export function registerFoldContract(open: OpenDatabase): void {
  describe('folding a journal', () => {
    it('puts an object in the place of the bytes and leaves outcomes, counts and order, over a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1, count: 6 });
      const [shard] = await world.claim();
      await world.journal(shard, 1, [{ ordinal: 4 }]);
      await world.journal(shard, 0, [{ ordinal: 2 }, { ordinal: 0, kind: 'failed', error: 'no' }]);
      const before = await world.database.readJournalIndex(world.leaseOf(shard));
      const counts = await world.batch(id);
      const rows = await world.fold(shard);
      assert.deepEqual(
        rows.map(({ sequence, blob }) => [sequence, blob.offset, blob.length]),
        [
          [0, 0, 8],
          [1, 8, 4],
        ],
      );
      assert.deepEqual(await world.batch(id), counts);

      await world.restart();
      const [again] = await world.claim();
      assert.equal(again.journaled, true);
      await world.journal(again, 0, [{ ordinal: 1 }]);
      const index = await world.database.readJournalIndex(world.leaseOf(again));
      assert.deepEqual(
        index?.slice(0, 2),
        before?.map((row, place) => ({ ...row, blob: rows[place].blob })),
      );
      assert.equal(index?.[2]?.blob, null);
    });

    it('is known when it is repeated, also after the lease has ended', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const rows = await world.fold(shard);
      const lease = world.leaseOf(shard);
      assert.equal(await world.database.foldJournal(lease, rows), 'folded');
      await world.database.releaseShards(world.session, [lease]);
      assert.equal(await world.database.foldJournal(lease, rows), 'folded');
    });

    it('does not make the database forget a row: offered again it counts nothing', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1, count: 4 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const rows = await world.fold(shard);
      assert.equal(await world.journal(shard, 0, [{ ordinal: 0 }]), 'accepted');
      assert.equal((await world.batch(id)).succeeded, 1);
      const index = await world.database.readJournalIndex(world.leaseOf(shard));
      assert.deepEqual(
        index?.map(({ blob }) => blob),
        [rows[0].blob],
      );
    });

    it('takes only what was journaled since, and bytes of folded rows are not asked of the database', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1, count: 4 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      await world.fold(shard);
      await world.journal(shard, 1, [{ ordinal: 1 }]);
      const lease = world.leaseOf(shard);
      await assert.rejects(world.database.readJournalBytes(lease, [{ epoch: 1, sequence: 0 }]), /folded/);
      const bytes = await world.database.readJournalBytes(lease, [{ epoch: 1, sequence: 1 }]);
      assert.deepEqual(
        bytes?.map((row) => Buffer.from(row).toString()),
        ['  1\n'],
      );
      const second = await world.fold(shard);
      assert.deepEqual(
        second.map(({ sequence }) => sequence),
        [1],
      );
    });

    it('changes nothing once the lease is gone, and leaves the object to its session', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const lease = world.leaseOf(shard);
      await world.database.releaseShards(world.session, [lease]);
      const rows = await world.foldedRows([{ epoch: 1, sequence: 0, length: 4 }]);
      assert.equal(await world.database.foldJournal(lease, rows), 'fenced');
      const [again] = await world.claim();
      const read = await world.database.readJournalBytes(world.leaseOf(again), [{ epoch: 1, sequence: 0 }]);
      assert.equal(read?.length, 1);
      assert.equal(await isReleasable(world, rows), true);
    });

    it('is refused whole if one row is not there, has another length, or lies elsewhere already', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1, count: 6 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      await world.fold(shard);
      await world.journal(shard, 1, [{ ordinal: 1 }]);
      const good = { epoch: 1, sequence: 1, length: 4 };
      for (const bad of [
        { epoch: 1, sequence: 9, length: 4 },
        { epoch: 1, sequence: 1, length: 5 },
        { epoch: 1, sequence: 0, length: 4 },
      ]) {
        const rows = await world.foldedRows([good, bad]);
        await assert.rejects(world.database.foldJournal(world.leaseOf(shard), rows), /cannot be folded/);
        assert.equal(await isReleasable(world, rows), true);
      }
      await assertUnfolded(world, shard, 1);
    });

    it('is refused if the object is not the session’s to give', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const rows = await world.foldedRows([{ epoch: 1, sequence: 0, length: 4 }]);
      await world.database.releaseBlobs(world.session, [rows[0].blob.name]);
      await assert.rejects(world.database.foldJournal(world.leaseOf(shard), rows), {
        name: 'BlobNotWritten',
      });
      await assertUnfolded(world, shard, 0);
    });

    it('gives the object to the shard, whose commit leaves it to collection', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1, count: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const rows = await world.fold(shard);
      assert.equal(await isReleasable(world, rows), false);
      assert.deepEqual(await world.database.collectableBlobs(0, 10), []);
      assert.equal(await world.commit(shard, { output: 1 }), 'committed');
      await world.clock.advance(HOUR_MS);
      assert.deepEqual(await world.database.collectableBlobs(HOUR_MS, 10), [
        { name: rows[0].blob.name, pass: 'first', since: world.clock.now() - HOUR_MS },
      ]);
    });
  });
}

/** Whether the object of these rows still is what its session writes: released then, so that each test asks once. */
async function isReleasable(world: DatabaseWorld, [{ blob }]: readonly FoldedRow[]): Promise<boolean> {
  const before = (await world.database.collectableBlobs(0, 100)).length;
  await world.database.releaseBlobs(world.session, [blob.name]);
  return (await world.database.collectableBlobs(0, 100)).length === before + 1;
}

async function assertUnfolded(world: DatabaseWorld, shard: ClaimedShard, sequence: number): Promise<void> {
  const bytes = await world.database.readJournalBytes(world.leaseOf(shard), [
    { epoch: shard.epoch, sequence },
  ]);
  assert.equal(bytes?.[0]?.length, 4);
}
