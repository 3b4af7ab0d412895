import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { WorkspaceLimits } from '@bora/server/storage/ports/workspace-records';
import { DatabaseWorld, newBatch, NO_LIMITS, type OpenDatabase } from './database-world.ts';

const NO_OWN_LIMITS: WorkspaceLimits = {
  maxPendingRequests: null,
  maxActiveJobs: null,
  maxFileLines: null,
  maxFileBytes: null,
  maxStoredBytes: null,
};

export function registerWorkspaceContract(open: OpenDatabase): void {
  describe('workspaces', () => {
    it('creates a workspace once, and no second one of its name', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const limits = { maxActiveJobs: 3 };
      const wanted = { id: randomUUID(), name: 'team', weight: 2, limits };
      const created = await database.createWorkspace(wanted);
      assert.deepEqual(created, {
        ...wanted,
        limits: { ...NO_OWN_LIMITS, ...limits },
        createdAt: world.clock.now(),
        disabled: null,
      });
      assert.deepEqual(await database.createWorkspace(wanted), created, 'a repeat answers the same one');
      assert.equal(await database.createWorkspace({ id: randomUUID(), name: 'team' }), null);
      assert.deepEqual(await database.getWorkspace('team'), created);
      assert.deepEqual(await database.getWorkspace(wanted.id), created);
      assert.equal(await database.getWorkspace('unknown'), null);
      const names = (await database.listWorkspaces()).map(({ name }) => name);
      assert.deepEqual(names, ['default', 'team']);
    });

    it('changes what is named and leaves the rest, over a restart too', async () => {
      await using world = await DatabaseWorld.open(open);
      const { workspaceId } = world;
      const change = (wanted: Parameters<typeof world.database.changeWorkspace>[1]) =>
        world.database.changeWorkspace(workspaceId, wanted);
      await change({ weight: 5 });
      await change({ limits: { maxActiveJobs: 3, maxFileLines: 7 } });
      const changed = await change({ limits: { maxFileLines: null, maxStoredBytes: 9 } });
      assert.equal(changed?.weight, 5);
      assert.deepEqual(changed?.limits, { ...NO_OWN_LIMITS, maxActiveJobs: 3, maxStoredBytes: 9 });

      const disabledAt = world.clock.now();
      await change({ disabled: 'unpaid' });
      await world.clock.advance(1_000);
      const told = await change({ disabled: 'still unpaid' });
      assert.deepEqual(told?.disabled, { at: disabledAt, reason: 'still unpaid' });
      assert.deepEqual(await world.database.disabledWorkspaces(), [workspaceId]);
      await world.restart();
      assert.deepEqual(await world.database.getWorkspace('default'), told);
      assert.equal((await change({ disabled: null }))?.disabled, null);
      assert.deepEqual(await world.database.disabledWorkspaces(), []);
      assert.equal(await world.database.changeWorkspace('unknown', { weight: 1 }), null);
    });

    it('tells what a workspace uses, and nothing of others', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const none = { pendingRequests: 0, activeJobs: 0, files: 0, storedBytes: 0 };
      assert.deepEqual(await database.workspaceUsage(workspaceId), none);
      assert.equal(await database.workspaceUsage('unknown'), null);
      const { id } = await world.plannedBatch({ shards: 2, count: 3 });
      const [shard] = await world.claim({ limit: 1 });
      await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1, kind: 'failed' }]);
      const running = { pendingRequests: 4, activeJobs: 1, files: 1, storedBytes: 4 };
      assert.deepEqual(await database.workspaceUsage(workspaceId), running);
      assert.deepEqual(await database.workspaceUsage(await world.workspace('other')), none);

      const [fileId] = (await world.batch(id)).inputFileIds;
      await database.deleteFile(workspaceId, fileId);
      await world.createFile({ bytes: 100, expireMs: 1_000 });
      assert.deepEqual(await database.workspaceUsage(workspaceId), { ...running, storedBytes: 100 });
      await world.clock.advance(1_000);
      assert.deepEqual(await database.workspaceUsage(workspaceId), { ...running, files: 0, storedBytes: 0 });
    });

    it('refuses a file for which there is no room, and takes nothing of it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId } = world;
      await world.createFile({ bytes: 60 });
      const blob = await world.blob(41);
      const file = { bytes: 41, manifest: [blob] };
      await assert.rejects(world.createFile(file, 100), {
        name: 'WorkspaceFull',
        message: /hold 60 bytes.*more than 100/,
      });
      assert.equal((await database.workspaceUsage(workspaceId))?.files, 1);
      const other = await world.workspace('other');
      await world.createFile({ ...file, workspaceId: other }, 100);
      assert.equal((await world.createFile({ bytes: 40 }, 100)).bytes, 40, 'to the last byte');
      assert.equal(await database.heartbeat(session), true);
    });

    it('refuses a job over the limit of active ones, and takes it when one has ended', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const first = await world.createBatch();
      await world.createBatch({ workspaceId: await world.workspace('other') });
      const wanted = newBatch({ workspaceId, inputFileIds: first.inputFileIds });
      const limits = { ...NO_LIMITS, maxActiveJobs: 1 };
      assert.deepEqual(await database.createBatch(wanted, limits), {
        kind: 'too-many-active',
        active: 1,
        limit: 1,
      });
      await database.cancelBatch(workspaceId, first.id);
      assert.equal((await database.createBatch(wanted, limits)).kind, 'created');
      assert.equal(
        (await database.createBatch(wanted, limits)).kind,
        'created',
        'a repeat counts itself not',
      );
    });

    it('serves workspaces by their weights', async () => {
      await using world = await DatabaseWorld.open(open);
      const heavy = await world.workspace('heavy');
      await world.database.changeWorkspace(heavy, { weight: 3 });
      await world.plannedBatch({ shards: 40 });
      await world.plannedBatch({ shards: 40 }, { workspaceId: heavy });
      const claimed = await world.claim({ limit: 40 });
      const heavies = claimed.filter(({ batch }) => batch.workspaceId === heavy).length;
      assert.ok(heavies >= 29 && heavies <= 31, `${heavies} of 40`);
    });

    it('claims nothing of a disabled workspace, while what is leased goes on to its end', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      await world.plannedBatch({ shards: 2 });
      const [open1] = await world.claim({ limit: 1 });
      await database.changeWorkspace(workspaceId, { disabled: 'unpaid' });
      assert.deepEqual(await world.claim(), []);
      await world.finishShard(open1);
      await database.changeWorkspace(workspaceId, { disabled: null });
      assert.equal((await world.claim()).length, 1);
    });

    it('drains and ends what is cancelled in a disabled workspace', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 2 });
      const [shard] = await world.claim({ limit: 1 });
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      await database.changeWorkspace(workspaceId, { disabled: 'unpaid' });
      await database.cancelBatch(workspaceId, id);
      await database.releaseShards(session, [{ shardId: shard.id, epoch: shard.epoch }]);
      assert.equal(await database.drainUntouched(100), 1);
      const [drained] = await database.claimDrain(session, 10);
      assert.equal(await world.commit(drained, { output: 1 }), 'committed');
      assert.equal((await world.finalise(id)).state, 'cancelled');
    });

    it('gives no credit for the time a workspace was disabled, nor for another that is', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const [busy, idle] = [await world.workspace('busy'), await world.workspace('idle')];
      await world.plannedBatch({ shards: 30 });
      await world.plannedBatch({ shards: 60 }, { workspaceId: busy });
      await database.changeWorkspace(workspaceId, { disabled: 'unpaid' });
      assert.equal((await world.claim({ limit: 20 })).length, 20);
      const sharesOf = async (ids: readonly string[], limit: number): Promise<number[]> => {
        const claimed = await world.claim({ limit });
        return ids.map((id) => claimed.filter(({ batch }) => batch.workspaceId === id).length);
      };
      await world.plannedBatch({ shards: 30 }, { workspaceId: idle });
      const [busyShare, idleShare] = await sharesOf([busy, idle], 20);
      assert.ok(Math.abs(busyShare - idleShare) <= 1, `${busyShare} and ${idleShare}`);
      await database.changeWorkspace(workspaceId, { disabled: null });
      const [mine, busys, idles] = await sharesOf([workspaceId, busy, idle], 21);
      assert.ok(Math.abs(mine - busys) <= 2 && Math.abs(mine - idles) <= 2, `${mine}, ${busys}, ${idles}`);
    });
  });
}
