import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

export function registerStopContract(open: OpenDatabase): void {
  describe('cancel and expiry', () => {
    it('ends a batch at once of which nothing was claimed', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const validating = await world.createBatch();
      await world.database.claimTask(world.session);
      const queued = await world.plannedBatch({ shards: 3 });
      for (const { id } of [validating, queued]) {
        const cancelled = await database.cancelBatch(workspaceId, id);
        assert.deepEqual(
          [cancelled?.state, cancelled?.endReason, cancelled?.cancellingAt, cancelled?.endedAt],
          ['cancelled', 'cancelled', clock.now(), clock.now()],
        );
        await clock.advance(1);
        assert.deepEqual(await database.cancelBatch(workspaceId, id), cancelled, 'a repeat changes nothing');
      }
      assert.deepEqual(await world.claim(), []);
      assert.deepEqual(await database.claimDrain(world.session, 10), []);
      assert.equal(await database.claimTask(world.session), null);
    });

    it('drains a cancelled batch: nothing new is claimed, what is journaled is kept', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, session } = world;
      const stopped: string[] = [];
      database.onHint((hint) => hint.kind === 'batch-stopped' && stopped.push(hint.batchId));
      const { id } = await world.plannedBatch({ shards: 4 });
      const [held, given] = await world.claim({ limit: 2 });
      await world.journal(given, 0, [{ ordinal: 2 }]);
      await database.releaseShards(session, [{ shardId: given.id, epoch: given.epoch }]);

      const cancelled = await database.cancelBatch(workspaceId, id);
      assert.deepEqual(
        [cancelled?.state, cancelled?.endReason, cancelled?.cancellingAt],
        ['cancelling', 'cancelled', world.clock.now()],
      );
      assert.deepEqual(stopped, [id]);
      assert.deepEqual(await world.claim(), []);
      assert.equal(
        await world.journal(held, 0, [{ ordinal: 0 }]),
        'accepted',
        'what was in flight may finish',
      );

      assert.equal(await database.drainUntouched(1), 1);
      assert.equal(await database.drainUntouched(10), 1);
      assert.equal(await database.drainUntouched(10), 0, 'shards with outcomes are not untouched');
      const drained = await database.claimDrain(session, 10);
      assert.deepEqual(
        drained.map(({ number, journaled }) => [number, journaled]),
        [[1, true]],
      );
      assert.equal(await world.commit(drained[0], { output: 1 }), 'committed');
      assert.equal((await world.batch(id)).state, 'cancelling');
      assert.equal(await world.commit(held, { output: 1 }), 'committed');
      assert.equal((await world.batch(id)).state, 'finalizing');
      const ended = await world.finalise(id);
      assert.deepEqual([ended.state, ended.succeeded, ended.totalRequests], ['cancelled', 2, 8]);
    });

    it('finalises when draining reaches the last shard', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 3 });
      const [shard] = await world.claim({ limit: 1 });
      await world.finishShard(shard);
      await database.cancelBatch(workspaceId, id);
      assert.equal(await database.drainUntouched(10), 2);
      assert.equal((await world.finalise(id)).state, 'cancelled');
    });

    it('drains parked shards too, and none of other dialects untouched', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, session } = world;
      const { id } = await world.plannedBatch({ shards: 2 }, { dialect: 'openai' });
      const [shard] = await world.claim({ limit: 1 });
      const parked = { routes: ['r'], reason: 'down' };
      await database.releaseShards(session, [{ shardId: shard.id, epoch: shard.epoch, parked }]);
      await database.cancelBatch(workspaceId, id);
      assert.equal(await database.drainUntouched(10), 0);
      assert.equal((await database.claimDrain(session, 1)).length, 1);
      assert.equal((await database.claimDrain(session, 10)).length, 1);
      assert.deepEqual(await database.claimDrain(session, 10), []);
    });

    it("drains a planned batch of OpenAI's dialect of which nothing was claimed, each request to its line", async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock, session } = world;
      const cancelled = await world.plannedBatch({ shards: 1 }, { dialect: 'openai' });
      const expired = await world.plannedBatch({ shards: 1 }, { dialect: 'openai', timeoutMs: 1_000 });
      assert.equal((await database.cancelBatch(workspaceId, cancelled.id))?.state, 'cancelling');
      await clock.advance(1_000);
      assert.deepEqual(await database.expireBatches(10), [expired.id]);
      assert.equal((await world.batch(expired.id)).state, 'expiring');
      assert.deepEqual(await world.claim(), []);
      assert.equal(await database.drainUntouched(10), 0, 'every request wants a line');

      const drained = await database.claimDrain(session, 10);
      assert.deepEqual(
        new Map(drained.map(({ batch }) => [batch.id, batch.endReason])),
        new Map([
          [cancelled.id, 'cancelled'],
          [expired.id, 'expired'],
        ]),
      );
      const shard = drained.find(({ batch }) => batch.id === cancelled.id)!;
      await assert.rejects(world.commit(shard, { error: 1, drained: 1 }), /has 2 requests/);
      assert.equal(await world.commit(shard, { error: 2, drained: 2 }), 'committed');
      const ended = await world.finalise(cancelled.id);
      assert.deepEqual(
        [ended.state, ended.failed, ended.outputFileId, ended.errorFileId !== null],
        ['cancelled', 0, null, true],
      );
    });

    it("ends a batch of OpenAI's dialect at once that is not planned: it needs no lines", async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.createBatch({ dialect: 'openai' });
      const cancelled = await world.database.cancelBatch(world.workspaceId, id);
      assert.deepEqual([cancelled?.state, cancelled?.plannedAt], ['cancelled', null]);
    });

    it('expires what is due: unclaimed batches at once, running ones by draining', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock, session } = world;
      assert.equal(await database.nextDeadline(), null);
      const running = await world.plannedBatch({ shards: 1 }, { timeoutMs: 2_000 });
      await world.claim();
      const waiting = await world.createBatch({ timeoutMs: 1_000 });
      const patient = await world.createBatch({ timeoutMs: 9_000 });
      assert.equal(await database.nextDeadline(), waiting.deadlineAt);
      await clock.advance(999);
      assert.deepEqual(await database.expireBatches(10), []);
      await clock.advance(1_001);
      assert.deepEqual(await database.expireBatches(1), [waiting.id]);
      assert.deepEqual(await database.expireBatches(10), [running.id]);
      assert.deepEqual(await database.expireBatches(10), []);
      assert.equal(await database.nextDeadline(), patient.deadlineAt);

      const states = async (): Promise<unknown[]> => {
        const batches = await Promise.all([waiting, running, patient].map(({ id }) => world.batch(id)));
        return batches.map(({ state, endReason }) => [state, endReason]);
      };
      assert.deepEqual(await states(), [
        ['expired', 'expired'],
        ['expiring', 'expired'],
        ['validating', null],
      ]);
      await database.burySilentSessions(-1);
      world.session = await database.openSession();
      assert.notEqual(world.session, session);
      assert.equal(await database.drainUntouched(10), 1);
      assert.equal((await database.claimTask(world.session))?.kind, 'plan');
      assert.equal((await world.finalise(running.id)).state, 'expired');
    });

    it('keeps the first reason to end', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const expiredFirst = await world.plannedBatch({ shards: 1 }, { timeoutMs: 1_000 });
      const cancelledFirst = await world.plannedBatch({ shards: 1 }, { timeoutMs: 1_000 });
      const shards = await world.claim();
      await database.cancelBatch(workspaceId, cancelledFirst.id);
      await clock.advance(1_000);
      assert.deepEqual(await database.expireBatches(10), [expiredFirst.id]);
      const cancelled = await database.cancelBatch(workspaceId, expiredFirst.id);
      assert.deepEqual(
        [cancelled?.state, cancelled?.endReason, cancelled?.cancellingAt],
        ['expiring', 'expired', null],
      );
      for (const shard of shards) assert.equal(await world.commit(shard, {}), 'committed');
      for (;;) {
        const task = await database.claimTask(world.session);
        if (task === null) break;
        const id = task.subjectId;
        assert.ok(
          await database.finalise(task, {
            outputFileId: `${id}o`,
            errorFileId: `${id}e`,
            outputFilename: '',
            errorFilename: '',
          }),
        );
      }
      assert.equal((await world.batch(expiredFirst.id)).state, 'expired');
      assert.equal((await world.batch(cancelledFirst.id)).state, 'cancelled');
    });

    it('leaves a batch alone that is finalizing or has ended', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const { id } = await world.plannedBatch({ shards: 1 }, { timeoutMs: 1_000 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      const finalizing = await world.batch(id);
      assert.equal(finalizing.state, 'finalizing');
      await clock.advance(1_000);
      assert.deepEqual(await database.cancelBatch(workspaceId, id), finalizing);
      assert.deepEqual(await database.expireBatches(10), []);
      const ended = await world.finalise(id);
      assert.equal(ended.state, 'completed');
      assert.deepEqual(await database.cancelBatch(workspaceId, id), ended);
    });
  });
}
