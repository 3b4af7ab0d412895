import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Webhook, WebhookEvent } from '@bora/server/storage/ports/webhook-events';
import { DatabaseWorld, DAY_MS, resultFiles, type OpenDatabase } from './database-world.ts';

const LEASE_MS = 30_000;
const ALL: Webhook = {
  name: 'all',
  workspace: null,
  states: ['completed', 'failed', 'expired', 'cancelled'],
};

export function registerWebhookEventContract(open: OpenDatabase): void {
  describe('webhook events', () => {
    it('are noted of every end, whatever leads to it, and survive a restart', async () => {
      await using world = await openWorld(open, [ALL]);
      const { database, workspaceId, clock } = world;
      const failed = await world.createBatch();
      await database.failBatch(await world.claimTask('plan', failed.id), 'Its input cannot be read.');
      const unplanned = await world.createBatch();
      await database.cancelBatch(workspaceId, unplanned.id);
      const expired = await world.createBatch({ timeoutMs: 1_000 });
      await clock.advance(1_000);
      await database.expireBatches(10);
      const drained = await world.plannedBatch({ shards: 1 });
      const [held] = await world.claim();
      await database.cancelBatch(workspaceId, drained.id);
      assert.deepEqual(
        new Map((await claim(world)).map(({ batchId, state }) => [batchId, state])),
        new Map([
          [failed.id, 'failed'],
          [unplanned.id, 'cancelled'],
          [expired.id, 'expired'],
        ]),
      );

      await world.finishShard(held);
      await world.finalise(drained.id);
      const completed = await endedBatch(world);
      await world.restart();
      const events = await claim(world);
      assert.deepEqual(
        new Map(events.map(({ batchId, state }) => [batchId, state])),
        new Map([
          [drained.id, 'cancelled'],
          [completed, 'completed'],
        ]),
      );
      assert.ok(events.every(({ attempts }) => attempts === 1));
      assert.ok(events.every(({ endedAt }) => endedAt === clock.now()));
    });

    it('are noted for each webhook that wants the end and the workspace, by id or by name', async () => {
      const team = { workspace: 'team', states: ALL.states };
      await using world = await openWorld(open, [
        ALL,
        { ...team, name: 'by-name' },
        { ...ALL, name: 'failures', states: ['failed', 'expired'] },
      ]);
      const mine = await endedBatch(world);
      const workspaceId = await world.workspace('team');
      const theirs = await endedBatch(world, workspaceId);
      await world.database.configureWebhooks([{ ...team, name: 'by-id', workspace: workspaceId }], DAY_MS);
      const later = await endedBatch(world, workspaceId);
      await endedBatch(world);
      const told = async (name: string): Promise<string[]> =>
        (await claim(world, name)).map(({ batchId }) => batchId).toSorted();
      assert.deepEqual(await told('all'), [mine, theirs].toSorted());
      assert.deepEqual(await told('by-name'), [theirs]);
      assert.deepEqual(await told('by-id'), [later]);
      assert.deepEqual(await told('failures'), []);
    });

    it('are due at once, and again after the lease if nobody says what became of them', async () => {
      await using world = await openWorld(open, [ALL]);
      const { clock, database } = world;
      const hints: string[] = [];
      const leave = database.onHint(({ kind }) => hints.push(kind));
      const batches: string[] = [];
      for (let count = 0; count < 3; count++) {
        batches.push(await endedBatch(world));
        await clock.advance(1);
      }
      leave();
      assert.equal(hints.filter((kind) => kind === 'webhook-event').length, 3);
      const ids = (events: readonly WebhookEvent[]): string[] =>
        events.map(({ batchId }) => batchId).toSorted();
      assert.deepEqual(ids(await claim(world, 'all', 2)), batches.slice(0, 2).toSorted());
      assert.deepEqual(ids(await claim(world, 'all', 2)), batches.slice(2));
      assert.deepEqual(await claim(world), []);
      await clock.advance(LEASE_MS - 1);
      assert.deepEqual(await claim(world), []);
      await clock.advance(1);
      const again = await claim(world);
      assert.deepEqual(ids(again), batches.toSorted());
      assert.ok(again.every(({ attempts }) => attempts === 2));
    });

    it('are postponed by who claimed them last, and gone once removed', async () => {
      await using world = await openWorld(open, [ALL, { ...ALL, name: 'other' }]);
      const { clock, database } = world;
      await endedBatch(world);
      const [late] = await claim(world);
      await clock.advance(LEASE_MS);
      const [event] = await claim(world);
      await database.postponeWebhookEvent(late, 0);
      assert.deepEqual(await claim(world), [], 'a late word changes nothing');
      await database.postponeWebhookEvent(event, 60_000);
      await clock.advance(59_999);
      assert.deepEqual(await claim(world), []);
      await clock.advance(1);
      const [third] = await claim(world);
      assert.equal(third.attempts, 3);
      await database.removeWebhookEvent(third);
      await database.removeWebhookEvent(third);
      await clock.advance(DAY_MS);
      assert.deepEqual(await claim(world), []);
      assert.equal((await claim(world, 'other')).length, 1, 'each webhook has its own');
    });

    it('are forgotten with their batch, and not noted of one that is deleted', async () => {
      await using world = await openWorld(open, [ALL]);
      const { database, workspaceId } = world;
      const ended = await endedBatch(world);
      await database.deleteBatch(workspaceId, ended);
      const waiting = await world.createBatch();
      await database.deleteBatch(workspaceId, waiting.id);
      assert.deepEqual(await world.runPurges(), ['done', 'done']);
      const running = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await database.deleteBatch(workspaceId, running.id);
      assert.deepEqual(await world.runPurges(), ['in-use']);
      await world.finishShard(shard);
      const task = await world.claimTask('finalise', running.id);
      assert.equal((await database.finalise(task, resultFiles()))?.state, 'cancelled');
      assert.deepEqual(await claim(world), []);
    });

    it('of a webhook that is gone are forgotten, and noted again once it is configured again', async () => {
      await using world = await openWorld(open, [ALL, { ...ALL, name: 'other' }]);
      const { database } = world;
      await endedBatch(world);
      assert.equal(await database.endWebhook('all'), 1);
      await endedBatch(world);
      assert.equal(await database.endWebhook('all'), 0);
      assert.deepEqual(await claim(world), []);
      assert.equal((await claim(world, 'other')).length, 2);
      await database.configureWebhooks([ALL], DAY_MS);
      assert.deepEqual(await claim(world), []);
      await endedBatch(world);
      assert.equal((await claim(world)).length, 1);
    });

    it('outlive the configuration that forgets their webhook, for as long as it says', async () => {
      await using world = await openWorld(open, [ALL]);
      const { clock, database } = world;
      await endedBatch(world);
      await database.configureWebhooks([], DAY_MS);
      await clock.advance(DAY_MS - 1);
      await database.configureWebhooks([], DAY_MS);
      await database.configureWebhooks([ALL], DAY_MS);
      assert.equal((await claim(world)).length, 1);
      await clock.advance(1);
      await database.configureWebhooks([ALL], DAY_MS);
      await clock.advance(LEASE_MS);
      assert.equal((await claim(world)).length, 1, 'that of a configured one stays');
      await database.configureWebhooks([], DAY_MS);
      await database.configureWebhooks([ALL], DAY_MS);
      await clock.advance(LEASE_MS);
      assert.deepEqual(await claim(world), []);
    });
  });
}

async function openWorld(open: OpenDatabase, webhooks: readonly Webhook[]): Promise<DatabaseWorld> {
  const world = await DatabaseWorld.open(open);
  await world.database.configureWebhooks(webhooks, DAY_MS);
  return world;
}

function claim(world: DatabaseWorld, webhook = 'all', limit = 10): Promise<WebhookEvent[]> {
  return world.database.claimWebhookEvents(webhook, limit, LEASE_MS);
}

/** A batch of no requests, which is completed. */
async function endedBatch(world: DatabaseWorld, workspaceId = world.workspaceId): Promise<string> {
  const { id } = await world.plannedBatch({ shards: 0 }, { workspaceId });
  const task = await world.claimTask('finalise', id);
  assert.equal((await world.database.finalise(task, resultFiles()))?.state, 'completed');
  return id;
}
