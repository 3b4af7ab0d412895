import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, journalRow, outcome, type OpenDatabase } from './database-world.ts';

export function registerJournalContract(open: OpenDatabase): void {
  describe('journal', () => {
    it('counts a row once, and the first with its key wins', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const { id } = await world.plannedBatch({ shards: 1, count: 4 });
      const [shard] = await world.claim();
      assert.equal(await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1 }]), 'accepted');
      const once = await world.batch(id);
      assert.equal(once.succeeded, 2);
      assert.equal(await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1 }]), 'accepted');
      assert.equal(await world.journal(shard, 0, [{ ordinal: 3, kind: 'failed' }]), 'accepted');
      assert.deepEqual(await world.batch(id), once);
      const index = await database.readJournalIndex(world.leaseOf(shard));
      assert.deepEqual(
        index?.map(({ sequence, outcomes }) => [sequence, outcomes.map(({ ordinal }) => ordinal)]),
        [[0, [0, 1]]],
      );
    });

    it('reads back outcomes and bytes, over a restart, in the order (epoch, sequence)', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1, count: 6 });
      const [shard] = await world.claim();
      const failed = outcome({
        ordinal: 4,
        kind: 'failed',
        error: 'HTTP Error, status code: 400',
        inputTokens: 0,
      });
      const large = outcome({ ordinal: 5, blob: await world.blob(300_000) });
      await world.journal(shard, 1, [failed, large]);
      await world.journal(shard, 0, [{ ordinal: 2 }, { ordinal: 0 }]);
      await world.restart();
      const [again] = await world.claim();
      assert.deepEqual([again.journaled, again.deaths, again.epoch], [true, 1, 2]);
      await world.journal(again, 0, [{ ordinal: 1 }]);
      const lease = world.leaseOf(again);
      assert.deepEqual(await world.database.readJournalIndex(lease), [
        {
          epoch: 1,
          sequence: 0,
          length: 8,
          outcomes: [outcome({ ordinal: 2 }), outcome({ ordinal: 0 })],
          blob: null,
        },
        { epoch: 1, sequence: 1, length: 4, outcomes: [failed, large], blob: null },
        { epoch: 2, sequence: 0, length: 4, outcomes: [outcome({ ordinal: 1 })], blob: null },
      ]);
      const bytes = await world.database.readJournalBytes(lease, [
        { epoch: 2, sequence: 0 },
        { epoch: 1, sequence: 0 },
      ]);
      assert.deepEqual(
        bytes?.map((row) => Buffer.from(row).toString()),
        ['  1\n', '  2\n  0\n'],
      );
    });

    it('leaves the bytes of a caller alone, so that the same row can be offered again', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      const row = journalRow(shard, 0, [{ ordinal: 0 }]);
      await world.database.appendJournal(world.session, [row]);
      assert.equal(Buffer.from(row.bytes).toString(), '  0\n');
      assert.deepEqual(await world.database.appendJournal(world.session, [row]), ['accepted']);
    });

    it('leaves out the rows of leases that are gone, and takes the others of the call', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 3 });
      const [kept, lost, foreign] = await world.claim();
      await database.releaseShards(
        session,
        [lost, foreign].map(({ id: shardId, epoch }) => ({ shardId, epoch })),
      );
      const other = await database.openSession();
      const [, theirs] = await world.claim({ session: other });
      assert.equal(theirs.id, foreign.id);
      const rows = [
        journalRow(lost, 0, [{ ordinal: 2 }]),
        journalRow(kept, 0, [{ ordinal: 0 }]),
        journalRow(foreign, 0, [{ ordinal: 4 }]),
        journalRow(theirs, 0, [{ ordinal: 4 }]),
        journalRow({ ...kept, id: 999_999 }, 0, [{ ordinal: 0 }]),
      ];
      assert.deepEqual(await database.appendJournal(session, rows), [
        'fenced',
        'accepted',
        'fenced',
        'fenced',
        'fenced',
      ]);
      assert.equal((await world.batch(id)).succeeded, 1);
      assert.equal((await database.countWork()).journalRows, 1);
      assert.equal(await database.readJournalIndex(world.leaseOf(lost)), null);
      assert.equal(await database.readJournalBytes(world.leaseOf(lost), []), null);
      assert.deepEqual(await database.readJournalIndex(world.leaseOf(theirs, other)), []);
    });

    it('takes nothing under an earlier lease of a shard, even from the session that holds it now', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1 });
      const [earlier] = await world.claim();
      await world.database.releaseShards(world.session, [{ shardId: earlier.id, epoch: earlier.epoch }]);
      const [now] = await world.claim();
      assert.equal(now.id, earlier.id);
      assert.equal(await world.journal(earlier, 0, [{ ordinal: 0 }]), 'fenced');
      assert.equal((await world.batch(id)).succeeded, 0);
    });

    it('a row that is offered while its shard passes on is read by the next holder, or refused', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      const next = await database.openSession();
      const passOn = async (): Promise<number> => {
        await database.releaseShards(session, [{ shardId: shard.id, epoch: shard.epoch }]);
        const [theirs] = await world.claim({ session: next });
        const index = await database.readJournalIndex(world.leaseOf(theirs, next));
        return index!.flatMap(({ outcomes }) => outcomes).length;
      };
      const [answer, read] = await Promise.all([world.journal(shard, 0, [{ ordinal: 0 }]), passOn()]);
      assert.equal(read, answer === 'accepted' ? 1 : 0);
      assert.equal((await world.batch(id)).succeeded, read);
    });

    it('takes nothing for a shard that is committed, even from the session that committed it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 2 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      const before = await world.batch(id);
      assert.equal(await world.journal(shard, 0, [{ ordinal: 0 }]), 'fenced');
      assert.equal(await world.journal(shard, 7, [{ ordinal: 0 }]), 'fenced');
      assert.deepEqual(await world.batch(id), before);
    });

    it('never mistakes a shard for one that is gone', async () => {
      await using world = await DatabaseWorld.open(open);
      const gone = await world.plannedBatch({ shards: 1 });
      const [old] = await world.claim();
      await world.finishShard(old);
      await world.finalise(gone.id);
      const { id } = await world.plannedBatch({ shards: 1 });
      await world.claim();
      assert.equal(await world.journal(old, 5, [{ ordinal: 0 }]), 'fenced');
      assert.equal((await world.batch(id)).succeeded, 0);
    });
  });
}
