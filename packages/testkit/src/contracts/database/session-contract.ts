import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

export function registerSessionContract(open: OpenDatabase): void {
  describe('sessions', () => {
    it('lives while it beats, and once dead is dead for good', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock, session } = world;
      await clock.advance(1_000);
      assert.equal(await database.heartbeat(session), true);
      await clock.advance(1_000);
      assert.equal(await database.burySilentSessions(1_000), 0);
      await clock.advance(1);
      assert.equal(await database.burySilentSessions(1_000), 1);
      assert.equal(await database.burySilentSessions(1_000), 0);
      assert.equal(await database.heartbeat(session), false);
      assert.equal(await database.heartbeat('unknown'), false);
    });

    it('says what it holds, for a worker that did not hear the answer to its claim', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      await world.plannedBatch({ shards: 3 });
      const [first, second, third] = await world.claim();
      await world.finishShard(first);
      await database.releaseShards(session, [{ shardId: second.id, epoch: second.epoch }]);
      const { taskId, epoch } = await world.claimTask('plan', (await world.createBatch()).id);
      assert.deepEqual(await database.leasesOf(session), {
        shards: [{ shardId: third.id, epoch: third.epoch, session }],
        tasks: [{ taskId, epoch, session }],
      });
      const other = await database.openSession();
      assert.deepEqual(await database.leasesOf(other), { shards: [], tasks: [] });
    });

    it('gives a dead session nothing and takes nothing from it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock, session: late } = world;
      const { id } = await world.plannedBatch({ shards: 2 });
      const [shard] = await world.claim({ limit: 1 });
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const planned = await world.createBatch();
      const task = await world.claimTask('plan', planned.id);
      await clock.advance(10);
      await database.burySilentSessions(1);

      assert.deepEqual(await world.claim(), []);
      assert.equal(await database.claimTask(late), null);
      assert.equal(await world.journal(shard, 1, [{ ordinal: 1 }]), 'fenced');
      assert.equal(await world.commit(shard, { output: 1 }), 'fenced');
      assert.equal(await database.readPlanInput(task), null);
      await database.releaseShards(late, [
        { shardId: shard.id, epoch: shard.epoch, parked: { routes: ['r'], reason: '' } },
      ]);

      world.session = await database.openSession();
      const claimed = await world.claim();
      assert.deepEqual(
        claimed.map(({ number, deaths, epoch, journaled }) => [number, deaths, epoch, journaled]),
        [
          [0, 1, 2, true],
          [1, 0, 1, false],
        ],
      );
      assert.equal((await world.claimTask('plan', planned.id)).attempts, 1);
      assert.equal(await world.journal(shard, 1, [{ ordinal: 1 }], late), 'fenced');
      assert.equal((await world.batch(id)).succeeded, 1);
      await database.cancelBatch(world.workspaceId, id);
      await database.releaseShards(
        world.session,
        claimed.map(({ id: shardId, epoch }) => ({ shardId, epoch })),
      );
      assert.deepEqual(await database.claimDrain(late, 10), []);
    });

    it('counts no death for a session that closes in order', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await database.closeSession(world.session);
      await database.closeSession(world.session);
      assert.equal(await database.heartbeat(world.session), false);
      world.session = await database.openSession();
      const [again] = await world.claim();
      assert.deepEqual([again.id, again.epoch, again.deaths], [shard.id, 2, 0]);
    });

    it('frees the work of an older boot with the first session of a new one', async () => {
      await using world = await DatabaseWorld.open(open);
      const late = world.session;
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      const planned = await world.createBatch();
      await world.claimTask('plan', planned.id);
      await world.restart();
      assert.equal(await world.database.heartbeat(late), false);
      const [again] = await world.claim();
      assert.deepEqual([again.id, again.epoch, again.deaths], [shard.id, 2, 1]);
      await world.claimTask('plan', planned.id);
      assert.equal(await world.journal(shard, 0, [{ ordinal: 0 }], late), 'fenced');
      assert.equal((await world.batch(id)).succeeded, 0);
      const sibling = await world.database.openSession();
      assert.equal(await world.database.heartbeat(world.session), true, 'sessions of one boot live together');
      assert.equal(await world.database.heartbeat(sibling), true);
    });
  });
}
