import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LineIndexSummary } from '@bora/server/storage/ports/file-records';
import { DatabaseWorld, shardCommit, type OpenDatabase } from './database-world.ts';

export function registerShardContract(open: OpenDatabase): void {
  describe('shards', () => {
    it('leases shards in input order under a new epoch, and starts the batch', async () => {
      await using world = await DatabaseWorld.open(open);
      const { clock } = world;
      const batch = await world.plannedBatch({ shards: 5, count: 3 });
      const [first, second] = await world.claim({ limit: 2 });
      const { id, epoch, ...facts } = second;
      assert.deepEqual(facts, {
        number: 1,
        firstOrdinal: 3,
        count: 3,
        fileId: batch.inputFileIds[0],
        start: 400,
        length: 400,
        firstLine: 4,
        isChecked: false,
        deaths: 0,
        journaled: false,
        attempted: false,
        batch: {
          id: batch.id,
          workspaceId: batch.workspaceId,
          dialect: 'mistral',
          endpoint: batch.endpoint,
          model: 'm',
          isLenient: false,
          deadlineAt: batch.deadlineAt,
          endReason: null,
        },
      });
      assert.ok(id !== first.id && epoch === 1);
      const { state, startedAt } = await world.batch(batch.id);
      assert.deepEqual([state, startedAt], ['running', clock.now()]);

      await clock.advance(5);
      assert.deepEqual(
        (await world.claim()).map(({ number }) => number),
        [2, 3, 4],
      );
      assert.equal((await world.batch(batch.id)).startedAt, startedAt);
      assert.deepEqual(await world.claim(), []);

      await world.database.releaseShards(world.session, [{ shardId: first.id, epoch: first.epoch }]);
      const [again] = await world.claim();
      assert.deepEqual([again.id, again.epoch], [first.id, 2]);
    });

    it('says of a shard whether the line index of its file found no bad line', async () => {
      await using world = await DatabaseWorld.open(open);
      const index = (badLines: number): LineIndexSummary => ({
        version: 1,
        requests: 2,
        badLines,
        firstBadLines: [],
        members: {},
        models: {},
        withoutModel: 0,
        firstWithoutModel: null,
        streamSeen: false,
      });
      for (const [lineIndex, isChecked] of [
        [null, false],
        [index(0), true],
        [index(1), false],
      ] as const) {
        const { id } = await world.createFile({ lineIndex });
        await world.plannedBatch({ shards: 1 }, { inputFileIds: [id] });
        const [shard] = await world.claim();
        assert.deepEqual([shard.fileId, shard.isChecked], [id, isChecked]);
      }
    });

    it('leases nothing of held batches, and serves those behind them', async () => {
      await using world = await DatabaseWorld.open(open);
      const [held, other] = [
        await world.plannedBatch({ shards: 2 }),
        await world.plannedBatch({ shards: 1 }),
      ];
      const claimed = await world.claim({ heldBatches: [held.id] });
      assert.deepEqual(
        claimed.map(({ batch }) => batch.id),
        [other.id],
      );
      assert.equal((await world.claim()).length, 2);
    });

    it('orders batches of a workspace by priority, deadline and age', async () => {
      await using world = await DatabaseWorld.open(open);
      const hour = 60 * 60 * 1000;
      const names = new Map<string, string>();
      for (const [name, batch] of [
        ['old', { timeoutMs: 3 * hour }],
        ['urgent', { timeoutMs: hour }],
        ['later', { priority: 1, timeoutMs: 1 }],
        ['first', { priority: -1, timeoutMs: 9 * hour }],
      ] as const) {
        names.set((await world.plannedBatch({ shards: 1 }, batch)).id, name);
      }
      await world.clock.advance(10);
      names.set((await world.plannedBatch({ shards: 1 }, { timeoutMs: 3 * hour - 10 })).id, 'young');
      const claimed = await world.claim();
      assert.deepEqual(
        claimed.map(({ batch }) => names.get(batch.id)),
        ['first', 'urgent', 'old', 'young', 'later'],
      );
    });

    it('holds a session to so many leases of one batch, whatever it gave back before', async () => {
      await using world = await DatabaseWorld.open(open);
      const big = await world.plannedBatch({ shards: 5 });
      await world.clock.advance(1);
      const small = await world.plannedBatch({ shards: 2 });
      const claimed = await world.claim({ perBatch: 3, limit: 4 });
      assert.deepEqual(
        claimed.map(({ batch }) => batch.id),
        [big.id, big.id, big.id, small.id],
      );
      assert.deepEqual(
        (await world.claim({ perBatch: 3 })).map(({ batch }) => batch.id),
        [small.id],
      );
      await world.finishShard(claimed[0]);
      assert.deepEqual(
        (await world.claim({ perBatch: 3 })).map(({ number }) => number),
        [3],
      );
      const other = await world.database.openSession();
      assert.deepEqual(
        (await world.claim({ session: other, perBatch: 3 })).map(({ number }) => number),
        [4],
      );
    });

    it('serves two workspaces evenly by bytes, however much one of them has', async () => {
      await using world = await DatabaseWorld.open(open);
      const other = await world.workspace('other');
      for (let n = 0; n < 3; n++) await world.plannedBatch({ shards: 20 });
      await world.plannedBatch({ shards: 10 }, { workspaceId: other });
      const counts = { mine: 0, others: 0 };
      for (let n = 0; n < 20; n++) {
        for (const { batch } of await world.claim({ limit: 1 }))
          counts[batch.workspaceId === other ? 'others' : 'mine']++;
        assert.ok(Math.abs(counts.mine - counts.others) <= 1, JSON.stringify(counts));
      }
      const together = await world.claim({ limit: 20 });
      assert.equal(together.length, 20, 'what one leaves the other takes');
    });

    it('gives a workspace that was idle no credit for it', async () => {
      await using world = await DatabaseWorld.open(open);
      const other = await world.workspace('other');
      await world.plannedBatch({ shards: 60 });
      await world.claim({ limit: 30 });
      await world.plannedBatch({ shards: 30 }, { workspaceId: other });
      const others = (await world.claim({ limit: 20 })).filter(({ batch }) => batch.workspaceId === other);
      assert.ok(others.length >= 9 && others.length <= 11, `${others.length} of 20`);
    });

    it('claims only what can be served', async () => {
      await using world = await DatabaseWorld.open(open);
      const a = await world.plannedBatch({ shards: 1 }, { routes: ['a'] });
      const ab = await world.plannedBatch({ shards: 1 }, { routes: ['a', 'b'] });
      const open2 = await world.plannedBatch({ shards: 1 });
      const batchesOf = async (routes: readonly string[]): Promise<string[]> =>
        (await world.claim({ routes })).map(({ batch }) => batch.id);
      assert.deepEqual(await batchesOf([]), [open2.id], 'routes of this batch are not known yet');
      assert.deepEqual(await batchesOf(['c']), []);
      assert.deepEqual(await batchesOf(['b', 'c']), [ab.id]);
      assert.deepEqual(await batchesOf(['a']), [a.id]);
    });

    it('keeps a parked shard, with its routes and reason on the batch, until one of its very routes is served', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 4 }, { routes: ['a', 'b'] });
      const claimed = await world.claim({ routes: ['a'] });
      await world.journal(claimed[1], 0, [{ ordinal: 2 }]);
      const park = (place: number, routes: readonly string[], reason: string) => ({
        shardId: claimed[place].id,
        epoch: claimed[place].epoch,
        parked: { routes, reason },
      });
      const releases = [
        park(0, ['b'], 'b is down since 1 s'),
        park(1, ['b'], 'b is down since 2 s'),
        park(2, ['c', 'd'], 'no c, no d'),
      ];
      await database.releaseShards(session, releases);
      await database.releaseShards(session, releases);
      const { parked, succeeded } = await world.batch(id);
      assert.deepEqual(parked, [
        { routes: ['b'], reason: 'b is down since 2 s', shards: 2 },
        { routes: ['c', 'd'], reason: 'no c, no d', shards: 1 },
      ]);
      assert.equal(succeeded, 1, 'what is journaled stays counted');
      assert.deepEqual(await world.claim({ routes: ['a'] }), []);
      const back = await world.claim({ routes: ['a', 'b'] });
      assert.deepEqual(
        back.map(({ number, journaled }) => [number, journaled]),
        [
          [0, false],
          [1, true],
        ],
      );
      assert.deepEqual((await world.batch(id)).parked, [
        { routes: ['c', 'd'], reason: 'no c, no d', shards: 1 },
      ]);
      const [last] = await world.claim({ routes: ['a', 'd'] });
      assert.equal(last.number, 2);
      const again = { shardId: last.id, epoch: last.epoch, parked: { routes: ['c', 'd'], reason: '' } };
      await database.releaseShards(session, [again]);
      assert.deepEqual(
        (await world.claim({ routes: 'any' })).map(({ number }) => number),
        [2],
      );
    });

    it('keeps a shard that is parked for a time until the time has passed, whatever is served', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      const parked = { ms: 1_000, reason: 'its input cannot be read' };
      await world.database.releaseShards(world.session, [{ shardId: shard.id, epoch: shard.epoch, parked }]);
      assert.deepEqual((await world.batch(id)).parked, [{ routes: null, reason: parked.reason, shards: 1 }]);
      await world.clock.advance(999);
      assert.deepEqual(await world.claim({ routes: 'any' }), []);
      assert.deepEqual(await world.claim({ routes: ['r'] }), []);
      await world.clock.advance(1);
      assert.equal((await world.claim({ routes: ['r'] })).length, 1);
      assert.deepEqual((await world.batch(id)).parked, []);
    });

    it('ignores the release of a lease that is gone', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      await world.plannedBatch({ shards: 1 });
      const [old] = await world.claim();
      await database.releaseShards(session, [{ shardId: old.id, epoch: old.epoch }]);
      const [current] = await world.claim();
      await database.releaseShards(session, [{ shardId: old.id, epoch: old.epoch }]);
      await database.releaseShards(await database.openSession(), [{ shardId: old.id, epoch: current.epoch }]);
      assert.deepEqual(await world.claim(), []);
      assert.equal(await world.journal(current, 0, [{ ordinal: 0 }]), 'accepted');
    });

    it('commits once: counts, errors and parts, and a repeat is told so', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 2, count: 3 });
      const [shard, second] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1, kind: 'failed', error: 'bad' }]);
      await world.journal(shard, 1, [{ ordinal: 2, kind: 'failed', error: 'bad' }]);
      const before = await world.batch(id);
      assert.deepEqual(
        [before.succeeded, before.failed, before.inputTokens, before.outputTokens],
        [1, 2, 9, 15],
      );
      assert.deepEqual(before.errors, []);

      const lines = { output: 1, error: 2, errors: { bad: 2 } };
      assert.equal(await world.commit(shard, lines), 'committed');
      const after = await world.batch(id);
      assert.deepEqual(after, { ...before, errors: [{ message: 'bad', count: 2 }] });
      assert.equal((await database.countWork()).journalRows, 0);

      assert.equal(await world.commit(shard, lines), 'committed', 'a repeat');
      assert.equal(await world.commit(shard, { output: 3 }), 'fenced', 'other parts are no repeat');
      assert.deepEqual(await world.batch(id), after);

      await world.journal(second, 0, [{ ordinal: 3 }]);
      assert.deepEqual(
        await database.commitShards(session, [shardCommit(shard, lines), shardCommit(second, { output: 1 })]),
        ['committed', 'committed'],
        'one that is done already does not hold up the others',
      );
    });

    it('counts tokens from caches and of reasoning, journaled and not', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const { id } = await world.plannedBatch({ shards: 1, count: 3 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [
        { ordinal: 0, cachedTokens: 2, reasoningTokens: 4 },
        { ordinal: 1, cachedTokens: 1 },
      ]);
      const details = async (): Promise<number[]> => {
        const { cachedTokens, reasoningTokens } = await world.batch(id);
        return [cachedTokens, reasoningTokens];
      };
      assert.deepEqual(await details(), [3, 4]);
      const [row] = (await database.readJournalIndex(world.leaseOf(shard))) ?? [];
      assert.deepEqual(
        row.outcomes.map(({ cachedTokens = 0, reasoningTokens = 0 }) => [cachedTokens, reasoningTokens]),
        [
          [2, 4],
          [1, 0],
        ],
      );
      const tokens = { inputTokens: 1, outputTokens: 1, cachedTokens: 10, reasoningTokens: 20 };
      const unjournaled = { succeeded: 1, failed: 0, ...tokens };
      assert.equal(await world.commit(shard, { output: 3, unjournaled }), 'committed');
      assert.deepEqual(await details(), [13, 24]);
    });

    it('counts with the commit what never was in the journal, once however often it is repeated', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 2, count: 3 });
      const [shard, lost] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const unjournaled = { succeeded: 1, failed: 1, inputTokens: 20, outputTokens: 40 };
      const lines = { output: 2, error: 1, errors: { bad: 1 } };
      await assert.rejects(world.commit(shard, lines), 'two lines that nothing counts');
      assert.equal(await world.commit(shard, { ...lines, unjournaled }), 'committed');
      assert.equal(await world.commit(shard, { ...lines, unjournaled }), 'committed', 'a repeat');

      const { database, session } = world;
      await database.releaseShards(session, [{ shardId: lost.id, epoch: lost.epoch }]);
      assert.equal(await world.commit(lost, { ...lines, unjournaled }), 'fenced');
      const after = await world.batch(id);
      assert.deepEqual(
        [after.succeeded, after.failed, after.inputTokens, after.outputTokens],
        [2, 1, 23, 45],
      );
      assert.deepEqual(after.errors, [{ message: 'bad', count: 1 }]);
    });

    it('refuses a commit whose lines are not those that were counted, and changes nothing', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }, { ordinal: 1 }]);
      const before = await world.batch(id);
      await assert.rejects(world.commit(shard, { output: 1 }));
      await assert.rejects(world.commit(shard, { output: 2, error: 1 }));
      assert.deepEqual(await world.batch(id), before);
      assert.equal(await world.commit(shard, { output: 2 }), 'committed');
    });

    it('fences the commit of a lease that is gone, and lets the others of the call through', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 2, count: 1 });
      const [lost, kept] = await world.claim();
      await world.journal(lost, 0, [{ ordinal: 0 }]);
      await world.journal(kept, 0, [{ ordinal: 1 }]);
      await database.releaseShards(session, [{ shardId: lost.id, epoch: lost.epoch }]);
      const commits = [shardCommit(lost, { output: 1 }), shardCommit(kept, { output: 1 })];
      assert.deepEqual(await database.commitShards(session, commits), ['fenced', 'committed']);
      assert.equal((await world.batch(id)).succeeded, 2);
      const [again] = await world.claim();
      assert.equal(await world.commit({ ...again, epoch: lost.epoch }, { output: 1 }), 'fenced');
      assert.equal(await world.commit(again, { output: 1 }, await database.openSession()), 'fenced');
      assert.equal(await world.commit(again, { output: 1 }), 'committed');
      assert.equal((await world.batch(id)).state, 'finalizing');
    });
  });
}
