import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, DAY_MS, type OpenDatabase } from './database-world.ts';

const HOUR_MS = 60 * 60 * 1000;
const GRACE_MS = 5_000;

export function registerUptimeContract(open: OpenDatabase): void {
  describe('uptime', () => {
    it('gives back the time in which nobody was up, once', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock } = world;
      assert.equal(await world.database.addDowntime(GRACE_MS), 0, 'nobody was up before the first start');
      const { id, deadlineAt } = await world.plannedBatch({ shards: 1 });
      await clock.advance(HOUR_MS);
      await world.database.noteUp();
      await clock.advance(2 * HOUR_MS);
      await world.restart();
      assert.equal(await world.database.addDowntime(GRACE_MS), 2 * HOUR_MS);
      assert.equal(await world.database.addDowntime(GRACE_MS), 0);
      assert.equal((await world.batch(id)).deadlineAt, deadlineAt! + 2 * HOUR_MS);
      await world.restart();
      assert.equal(await world.database.addDowntime(GRACE_MS), 0);
      await world.database.noteUp();
      await world.database.noteUp();
      assert.equal((await world.batch(id)).deadlineAt, deadlineAt! + 2 * HOUR_MS);
    });

    it('adds nothing for as long as notes come apart, and no more than a batch was there', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock, database } = world;
      const old = await world.createBatch();
      await database.noteUp();
      await clock.advance(GRACE_MS);
      assert.equal(await database.addDowntime(GRACE_MS), 0);
      await clock.advance(GRACE_MS);
      const young = await world.createBatch();
      await clock.advance(1);
      const justNow = await world.createBatch();
      assert.equal(await database.addDowntime(GRACE_MS), GRACE_MS + 1);
      assert.equal((await world.batch(old.id)).deadlineAt, old.deadlineAt! + GRACE_MS + 1);
      assert.equal((await world.batch(young.id)).deadlineAt, young.deadlineAt! + 1);
      assert.equal((await world.batch(justNow.id)).deadlineAt, justNow.deadlineAt);
    });

    it('keeps a batch from expiring whose deadline passed while nobody was up', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock } = world;
      await world.database.noteUp();
      const running = await world.plannedBatch({ shards: 1 }, { timeoutMs: HOUR_MS });
      await world.claim();
      const waiting = await world.createBatch({ timeoutMs: HOUR_MS });
      const ended = await world.createBatch({ timeoutMs: HOUR_MS });
      await world.database.cancelBatch(world.workspaceId, ended.id);
      await clock.advance(3 * HOUR_MS);
      await world.restart();
      await world.database.addDowntime(GRACE_MS);
      assert.deepEqual(await world.database.expireBatches(10), []);
      assert.equal((await world.batch(ended.id)).deadlineAt, ended.deadlineAt, 'it has ended');
      await clock.advance(HOUR_MS);
      assert.deepEqual(
        (await world.database.expireBatches(10)).toSorted(),
        [running.id, waiting.id].toSorted(),
      );
    });

    it('has no deadline for a batch whose time is endless, and claims it behind the others', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock } = world;
      await world.database.noteUp();
      const endless = await world.plannedBatch({ shards: 1 }, { timeoutMs: Infinity });
      const patient = await world.plannedBatch({ shards: 1 }, { timeoutMs: 1_000 * DAY_MS });
      assert.equal(endless.deadlineAt, null);
      assert.equal(await world.database.nextDeadline(), patient.deadlineAt);
      const claimed = await world.claim();
      assert.deepEqual(
        claimed.map(({ batch }) => [batch.id, batch.deadlineAt]),
        [
          [patient.id, patient.deadlineAt],
          [endless.id, null],
        ],
      );
      await world.database.cancelBatch(world.workspaceId, patient.id);
      assert.equal(await world.database.nextDeadline(), null);
      await clock.advance(1_000 * DAY_MS);
      await world.restart();
      await world.database.addDowntime(GRACE_MS);
      assert.deepEqual(await world.database.expireBatches(10), []);
      assert.equal((await world.batch(endless.id)).deadlineAt, null);
    });
  });
}
