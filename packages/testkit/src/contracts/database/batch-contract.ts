import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { BatchFilter, BatchRecord, NewBatch } from '@bora/server/storage/ports/batch-records';
import {
  DatabaseWorld,
  DAY_MS,
  newBatch,
  NO_LIMITS,
  ordinalsOf,
  type OpenDatabase,
} from './database-world.ts';

const ALL: BatchFilter = { page: 0, pageSize: 100, order: 'newest-first' };

export function registerBatchContract(open: OpenDatabase): void {
  describe('batches', () => {
    it('creates a batch once, with its plan task, and keeps it over a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      const { workspaceId, clock } = world;
      const first = await world.createFile();
      const second = await world.createFile();
      const batch = newBatch({
        workspaceId,
        inputFileIds: [second.id, first.id],
        metadata: { team: 'a' },
        agentId: 'agent',
        totalRequests: 7,
        routes: ['r'],
        priority: 3,
        createdBy: 'key',
        completionWindow: '24h',
        isLenient: true,
        resultsExpireMs: 5,
        createdAs: 'digest',
      });
      const created = await world.database.createBatch(batch, NO_LIMITS);
      assert.deepEqual(await world.database.createBatch(batch, NO_LIMITS), created);
      await world.restart();
      const found = await world.batch(batch.id);
      assert.deepEqual(created, { kind: 'created', batch: found });
      const { timeoutMs: _, totalRequests, ...facts } = batch;
      assert.deepEqual(found, {
        ...facts,
        totalRequests,
        state: 'validating',
        endReason: null,
        failure: null,
        faults: null,
        plannedAt: null,
        succeeded: 0,
        failed: 0,
        inputTokens: 0,
        outputTokens: 0,
        cachedTokens: 0,
        reasoningTokens: 0,
        errors: [],
        parked: [],
        outputFileId: null,
        errorFileId: null,
        createdAt: clock.now(),
        deadlineAt: clock.now() + DAY_MS,
        startedAt: null,
        cancellingAt: null,
        finalizingAt: null,
        endedAt: null,
      });
      await world.claimTask('plan', batch.id);
      assert.equal(await world.database.claimTask(world.session), null);
    });

    it('refuses input that is unknown, deleted, expired or of another workspace', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const good = await world.createFile();
      const deleted = await world.createFile();
      await database.deleteFile(workspaceId, deleted.id);
      const expired = await world.createFile({ expireMs: 1 });
      await clock.advance(1);
      const foreign = await world.createFile({ workspaceId: await world.workspace('other') });
      for (const fileId of ['unknown', deleted.id, expired.id, foreign.id]) {
        const batch = newBatch({ workspaceId, inputFileIds: [good.id, fileId] });
        assert.deepEqual(await database.createBatch(batch, NO_LIMITS), { kind: 'missing-file', fileId });
        assert.equal(await database.getBatch(workspaceId, batch.id), null);
      }
    });

    it('counts pending requests against the limit, without what is answered already', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const other = await world.workspace('other');
      await world.plannedBatch({ shards: 50 }, { workspaceId: other });
      await world.plannedBatch({ shards: 3, count: 2 });
      const { inputFileIds } = await world.createBatch({ totalRequests: 4 });
      const wanted = newBatch({ workspaceId, inputFileIds, totalRequests: 2 });
      const refused = { kind: 'too-many-pending', pending: 10, limit: 11 };
      assert.deepEqual(
        await database.createBatch(wanted, { maxPendingRequests: 11, maxActiveJobs: null }),
        refused,
      );

      const [shard] = (await world.claim()).filter(({ batch }) => batch.workspaceId === workspaceId);
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      assert.equal(
        (await database.createBatch(wanted, { maxPendingRequests: 11, maxActiveJobs: null })).kind,
        'created',
      );
    });

    it('lists what comes behind a batch, each once, also where many came at the same time', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      for (let made = 0; made < 7; made++) {
        await world.createBatch();
        if (made === 4) await clock.advance(1_000);
      }
      for (const order of ['newest-first', 'oldest-first'] as const) {
        const all = await database.listBatches(workspaceId, { ...ALL, order });
        const paged: BatchRecord[] = [];
        for (let after: BatchRecord | undefined; ; after = paged.at(-1)) {
          const filter = { ...ALL, order, pageSize: 2, after };
          const { batches, total } = await database.listBatches(workspaceId, filter);
          assert.equal(total, 7);
          paged.push(...batches);
          if (batches.length < 2) break;
        }
        assert.deepEqual(paged, all.batches);
      }
    });

    it('goes on behind a batch that is gone, for a day after its purge', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      for (let made = 0; made < 3; made++) await world.createBatch();
      const [first, gone, last] = (await database.listBatches(workspaceId, ALL)).batches;
      const place = { id: gone.id, createdAt: gone.createdAt };
      assert.deepEqual(await database.findBatchPlace(workspaceId, gone.id), place);
      await database.deleteBatch(workspaceId, gone.id);
      assert.deepEqual(await database.findBatchPlace(workspaceId, gone.id), place, 'while it is hidden');
      assert.equal((await world.runPurges()).at(-1), 'done');
      assert.deepEqual(await database.findBatchPlace(workspaceId, gone.id), place, 'once it is purged');
      const behind = await database.listBatches(workspaceId, { ...ALL, after: place });
      assert.deepEqual(behind.batches, [last]);
      assert.equal(behind.total, 2);
      assert.notEqual(first.id, gone.id);
      assert.equal(await database.findBatchPlace(await world.workspace('other'), gone.id), null);
      assert.equal(await database.findBatchPlace(workspaceId, 'none'), null);
      await clock.advance(DAY_MS);
      await database.expireFiles(10);
      assert.equal(await database.findBatchPlace(workspaceId, gone.id), null);
    });

    it('lists newest or oldest first, page by page, by every filter', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const ids: string[] = [];
      const given: readonly Partial<NewBatch>[] = [
        { model: 'a', metadata: { team: 'x', run: '1' } },
        { model: 'b', metadata: { team: 'x' }, createdBy: 'key' },
        { model: 'a', agentId: 'agent' },
      ];
      for (const batch of given) {
        ids.push((await world.createBatch(batch)).id);
        await clock.advance(1_000);
      }
      const [cancelled, , newest] = ids;
      await database.cancelBatch(workspaceId, cancelled);
      const listed = async (filter: Partial<BatchFilter>): Promise<number[]> => {
        const { batches, total } = await database.listBatches(workspaceId, { ...ALL, ...filter });
        if (filter.page === undefined) assert.equal(total, batches.length);
        else assert.equal(total, 3);
        return batches.map(({ id }) => ids.indexOf(id));
      };
      assert.deepEqual(await listed({}), [2, 1, 0]);
      assert.deepEqual(await listed({ order: 'oldest-first' }), [0, 1, 2]);
      assert.deepEqual(await listed({ page: 1, pageSize: 2 }), [0]);
      assert.deepEqual(await listed({ model: 'a' }), [2, 0]);
      assert.deepEqual(await listed({ agentId: 'agent' }), [2]);
      assert.deepEqual(await listed({ createdBy: 'key' }), [1]);
      assert.deepEqual(await listed({ metadata: { team: 'x' } }), [1, 0]);
      assert.deepEqual(await listed({ metadata: { team: 'x', run: '1' } }), [0]);
      assert.deepEqual(await listed({ metadata: { team: 'y' } }), []);
      assert.deepEqual(await listed({ createdAfter: (await world.batch(newest)).createdAt }), [2]);
      assert.deepEqual(await listed({ statuses: [{ state: 'cancelled' }] }), [0]);
      assert.deepEqual(await listed({ statuses: [{ state: 'cancelled', endReason: 'expired' }] }), []);
      const both = [
        { state: 'validating', endReason: 'none' },
        { state: 'cancelled', endReason: 'cancelled' },
      ] as const;
      assert.deepEqual(await listed({ statuses: both }), [2, 1, 0]);
      assert.deepEqual(await listed({ statuses: [] }), []);
    });

    it('shows a workspace its own batches alone', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const other = await world.workspace('other');
      const { id } = await world.createBatch();
      assert.equal(await database.getBatch(other, id), null);
      assert.equal(await database.cancelBatch(other, id), null);
      assert.equal(await database.deleteBatch(other, id), false);
      assert.deepEqual(await database.listBatches(other, ALL), { batches: [], total: 0 });
      assert.equal((await world.batch(id)).state, 'validating');
    });

    it('tells how much work there is', async () => {
      await using world = await DatabaseWorld.open(open);
      await world.createBatch();
      const task = await world.database.claimTask(world.session);
      await world.plannedBatch({ shards: 4 });
      const [leased, parked] = await world.claim({ limit: 2 });
      await world.journal(leased, 0, ordinalsOf(leased));
      await world.database.releaseShards(world.session, [
        { shardId: parked.id, epoch: parked.epoch, parked: { routes: ['r'], reason: 'no upstream' } },
      ]);
      assert.ok(task !== null);
      assert.deepEqual(await world.database.countWork(), {
        batches: { validating: 1, running: 1 },
        shards: { queued: 2, leased: 1, parked: 1 },
        journalRows: 1,
      });
    });

    it('hides a deleted batch at once and purges it when it has ended', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 5 });
      const [shard, ...rest] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      assert.equal(await database.deleteBatch(workspaceId, id), true);
      assert.equal(await database.deleteBatch(workspaceId, id), false);
      assert.equal(await database.getBatch(workspaceId, id), null);
      assert.deepEqual((await database.listBatches(workspaceId, ALL)).batches, []);
      assert.deepEqual(await world.runPurges(), ['in-use'], 'it still drains');

      assert.equal(await world.commit(shard, { output: 1 }), 'committed');
      for (const other of rest) assert.equal(await world.commit(other, {}), 'committed');
      const files = { outputFileId: 'out', errorFileId: 'err', outputFilename: 'o', errorFilename: 'e' };
      const finalise = await world.claimTask('finalise', id);
      assert.equal((await database.finalise(finalise, files))?.state, 'cancelled');
      await world.clock.advance(DAY_MS);
      assert.deepEqual(await world.runPurges(2), ['done']);
      assert.notEqual(await database.getFile(workspaceId, 'out', null), null, 'results outlive their batch');
    });
  });
}
