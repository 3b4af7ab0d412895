import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeldAgainst } from '@bora/server/storage/ports/attempts';
import type { ClaimedShard } from '@bora/server/storage/ports/shard-queue';
import { DatabaseWorld, ordinalsOf, type OpenDatabase } from './database-world.ts';

/** Longer than any session may be silent. */
const SILENCE_MS = 60_000;

export function registerAttemptContract(open: OpenDatabase): void {
  describe('attempts', () => {
    it('keeps what is held against a request, over leases and restarts, until its shard is committed', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1, count: 3 });
      const [shard] = await world.claim();
      await record(world, shard, { ordinal: 2, faults: 1, crashes: 0 });
      await record(world, shard, { ordinal: 1, faults: 0, crashes: 2 });
      await record(world, shard, { ordinal: 1, faults: 1, crashes: 1 });
      const held = [
        { ordinal: 1, faults: 1, crashes: 2, deaths: 0 },
        { ordinal: 2, faults: 1, crashes: 0, deaths: 0 },
      ];
      assert.deepEqual(await read(world, shard), held);

      await world.restart();
      const [again] = await world.claim();
      assert.deepEqual([again.attempted, await read(world, again)], [true, held]);
      assert.equal(await world.journal(again, 0, ordinalsOf(again)), 'accepted');
      assert.equal(await world.commit(again, { output: 3 }), 'committed');
      assert.equal(await read(world, again), null);
    });

    it('takes nothing from, and tells nothing to, a session whose lease is gone', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 2 });
      const [lost, kept] = await world.claim();
      await world.database.releaseShards(world.session, [{ shardId: lost.id, epoch: lost.epoch }]);
      await world.database.recordAttempts(world.session, [
        { shardId: lost.id, epoch: lost.epoch, ordinal: 0, faults: 1, crashes: 1 },
        { shardId: kept.id, epoch: kept.epoch, ordinal: 2, faults: 1, crashes: 1 },
      ]);
      assert.equal(await world.database.markSending(world.leaseOf(lost), 0), false);
      assert.equal(await read(world, lost), null);
      const [again] = await world.claim();
      assert.deepEqual([again.attempted, await read(world, again)], [false, []]);
      assert.equal((await read(world, kept))?.length, 1);
    });

    it('counts a death against the one request that was marked as sent', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 2 });
      const [first, second] = await world.claim();
      for (const ordinal of [0, 1])
        assert.ok(await world.database.markSending(world.leaseOf(first), ordinal));
      for (const ordinal of [2, null])
        assert.ok(await world.database.markSending(world.leaseOf(second), ordinal));
      await world.restart();
      const [died, other] = await world.claim();
      assert.deepEqual([died.deaths, other.deaths], [1, 1]);
      assert.deepEqual(deaths(await read(world, died)), [0, 1]);
      assert.deepEqual(deaths(await read(world, other)), [0]);

      await world.restart();
      const [unmarked] = await world.claim();
      assert.deepEqual([unmarked.deaths, deaths(await read(world, unmarked))], [2, [0, 1]]);
    });

    it('counts no death when the shard was given back or the session closed in order', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.database.markSending(world.leaseOf(shard), 0);
      await world.database.releaseShards(world.session, [{ shardId: shard.id, epoch: shard.epoch }]);
      await world.restart();
      const [again] = await world.claim();
      assert.deepEqual([again.deaths, deaths(await read(world, again))], [0, [0]]);

      await world.database.markSending(world.leaseOf(again), 0);
      await world.database.closeSession(world.session);
      await world.restart();
      const [last] = await world.claim();
      assert.deepEqual([last.deaths, deaths(await read(world, last))], [0, [0]]);
    });

    it('counts a death of a session that fell silent', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.database.markSending(world.leaseOf(shard), 0);
      await world.clock.advance(SILENCE_MS);
      await world.database.burySilentSessions(SILENCE_MS - 1);
      world.session = await world.database.openSession();
      const [again] = await world.claim();
      assert.deepEqual([again.deaths, deaths(await read(world, again))], [1, [1]]);
    });

    it('forgets what is held against requests with their batch', async () => {
      await using world = await DatabaseWorld.open(open);
      const batch = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await record(world, shard, { ordinal: 0, faults: 1, crashes: 0 });
      await world.database.releaseShards(world.session, [{ shardId: shard.id, epoch: shard.epoch }]);
      await world.database.cancelBatch(world.workspaceId, batch.id);
      assert.equal(await world.database.drainUntouched(10), 1);
      assert.equal((await world.finalise(batch.id)).state, 'cancelled');
    });
  });
}

function record(
  world: DatabaseWorld,
  { id: shardId, epoch }: ClaimedShard,
  counted: { ordinal: number; faults: number; crashes: number },
): Promise<void> {
  return world.database.recordAttempts(world.session, [{ shardId, epoch, ...counted }]);
}

function read(world: DatabaseWorld, shard: ClaimedShard): Promise<HeldAgainst[] | null> {
  return world.database.readAttempts(world.leaseOf(shard));
}

function deaths(held: HeldAgainst[] | null): number[] | undefined {
  return held?.map((one) => one.deaths);
}
