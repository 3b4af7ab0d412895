import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, ENDPOINT, newShards, type OpenDatabase } from './database-world.ts';

export function registerTaskContract(open: OpenDatabase): void {
  describe('tasks and plan', () => {
    it('leases the oldest task to one session, and to another once it is given back and its delay is over', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, clock } = world;
      const { id } = await world.createBatch();
      const later = await world.createBatch();
      const task = await world.claimTask('plan', id);
      assert.equal(task.attempts, 0);
      const next = await world.claimTask('plan', later.id);
      assert.equal(await database.claimTask(session), null);

      await database.returnTask(task, 1_000);
      await database.returnTask(task, 0);
      assert.equal(await database.claimTask(session), null, 'a lease that is gone cannot shorten the delay');
      await clock.advance(1_000);
      const again = await world.claimTask('plan', id);
      assert.equal(again.attempts, 1);
      assert.ok(again.epoch > task.epoch);
      assert.notEqual(next.taskId, again.taskId);
    });

    it('refuses every write of a lease that is gone', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const { id } = await world.createBatch();
      const stale = await world.claimTask('plan', id);
      await database.returnTask(stale, 0);
      const task = await world.claimTask('plan', id);
      assert.equal(await database.readPlanInput(stale), null);
      assert.equal(await database.addShards(stale, newShards(1, 1)), false);
      assert.equal(await database.finishPlan(stale, { totalRequests: 1, routes: null }), false);
      assert.equal(await database.failBatch(stale, 'no'), false);
      assert.equal(
        await database.finalise(stale, {
          outputFileId: 'o',
          errorFileId: 'e',
          outputFilename: 'o',
          errorFilename: 'e',
        }),
        null,
      );
      assert.equal(await database.purge(stale, 1), 'lost');
      assert.equal((await database.readPlanInput(task))?.batchId, id);
    });

    it('tells plan what it needs, and behind which shard an interrupted one goes on', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const file = await world.createFile({ bytes: 99 });
      const { id } = await world.createBatch({ inputFileIds: [file.id], routes: ['r'], model: null });
      const task = await world.claimTask('plan', id);
      const input = {
        batchId: id,
        dialect: 'mistral',
        isLenient: false,
        endpoint: ENDPOINT,
        model: null,
        routes: ['r'],
        inputs: [{ fileId: file.id, bytes: 99, lineIndex: null }],
        lastShard: null,
      };
      assert.deepEqual(await database.readPlanInput(task), input);
      const shards = newShards(3, 2);
      assert.equal(await database.addShards(task, shards), true);
      assert.deepEqual(await database.readPlanInput(task), { ...input, lastShard: shards[2] });
    });

    it('counts a shard once, however often it is added, and finalises only when the plan is finished', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const { id } = await world.createBatch();
      const task = await world.claimTask('plan', id);
      const shards = newShards(3, 1);
      await database.addShards(task, shards.slice(0, 2));
      await database.addShards(task, shards);
      assert.deepEqual(await world.claim(), [], 'nothing is claimed before the plan is finished');
      const plan = { totalRequests: 3, routes: null };
      assert.equal(await database.finishPlan(task, plan), true);
      assert.equal(await database.finishPlan(task, plan), true, 'a repeat finds it done');
      assert.equal((await world.batch(id)).state, 'queued');
      assert.equal((await world.batch(id)).totalRequests, 3);

      const claimed = await world.claim();
      assert.deepEqual(
        claimed.map(({ number }) => number),
        [0, 1, 2],
      );
      for (const [place, shard] of claimed.entries()) {
        assert.equal((await world.batch(id)).state, 'running', `before shard ${place}`);
        await world.finishShard(shard);
      }
      assert.equal((await world.batch(id)).state, 'finalizing');
    });

    it('moves a batch without requests straight to its end', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 0 });
      assert.equal((await world.batch(id)).state, 'finalizing');
      const { state, outputFileId, errorFileId } = await world.finalise(id);
      assert.deepEqual([state, outputFileId, errorFileId], ['completed', null, null]);
    });

    it('fails a batch with a sentence, for good', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      const { id } = await world.createBatch();
      const task = await world.claimTask('plan', id);
      await database.addShards(task, newShards(2, 1));
      assert.equal(await database.failBatch(task, 'It cannot be read.'), true);
      assert.equal(await database.failBatch(task, 'It cannot be read.'), true, 'a repeat finds it done');
      const { state, endReason, failure, endedAt } = await world.batch(id);
      assert.deepEqual(
        [state, endReason, failure, endedAt],
        ['failed', 'failed', 'It cannot be read.', clock.now()],
      );
      assert.equal(await database.claimTask(world.session), null);
      assert.deepEqual(await world.claim(), []);
    });

    it('keeps what is wrong with the input of a batch that failed for it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.createBatch({ dialect: 'openai' });
      const task = await world.claimTask('plan', id);
      const faults = {
        count: 2,
        first: [{ kind: 'url', line: 3, member: 'url', found: '/v1/models' }],
      } as const;
      assert.equal(await world.database.failBatch(task, 'It is wrong.', faults), true);
      assert.deepEqual((await world.batch(id)).faults, faults);
    });

    it('drops the plan of a batch that was cancelled meanwhile', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.createBatch();
      const task = await world.claimTask('plan', id);
      await database.cancelBatch(workspaceId, id);
      assert.equal(await database.readPlanInput(task), null);
      assert.equal(await database.addShards(task, newShards(1, 1)), false);
      assert.equal(await database.finishPlan(task, { totalRequests: 1, routes: null }), false);
      assert.equal((await world.batch(id)).state, 'cancelled');
    });

    it('tells listeners of new work until they leave', async () => {
      await using world = await DatabaseWorld.open(open);
      let hints = 0;
      const leave = world.database.onHint(({ kind }) => (hints += kind === 'work' ? 1 : 0));
      await world.createBatch();
      const told = hints;
      assert.ok(told >= 1);
      leave();
      await world.createBatch();
      assert.equal(hints, told);
    });
  });
}
