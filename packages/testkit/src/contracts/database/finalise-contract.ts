import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DatabaseWorld, inline, resultFiles, type OpenDatabase } from './database-world.ts';

export function registerFinaliseContract(open: OpenDatabase): void {
  describe('finalise', () => {
    it('lets result files expire as the batch asked', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const { id } = await world.plannedBatch({ shards: 1 }, { resultsExpireMs: 60_000 });
      await clock.advance(5_000);
      await world.finishShard((await world.claim())[0]);
      const { outputFileId } = await world.finalise(id);
      const file = await database.getFile(workspaceId, outputFileId!, null);
      assert.equal(file?.expiresAt, clock.now() + 60_000);
    });

    it('makes both files in input order, counts and end state at once, and once', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId, clock } = world;
      const { id } = await world.plannedBatch({ shards: 2, count: 2 }, { createdBy: 'key' });
      const [first, second] = await world.claim();
      const large = await world.blob(300_000);
      const object = await world.blob(70_000);
      await world.journal(second, 0, [{ ordinal: 3 }, { ordinal: 2, kind: 'failed', error: 'bad' }]);
      await world.journal(first, 0, [{ ordinal: 0, blob: large }, { ordinal: 1 }]);
      await database.commitShards(session, [
        {
          shardId: second.id,
          epoch: second.epoch,
          parts: [
            { kind: 'output', lines: 1, blob: inline('  3\n') },
            { kind: 'error', lines: 1, blob: inline('  2\n') },
          ],
          errors: { bad: 1 },
        },
      ]);
      await clock.advance(5);
      await database.commitShards(session, [
        {
          shardId: first.id,
          epoch: first.epoch,
          parts: [
            { kind: 'output', lines: 1, blob: large },
            { kind: 'output', lines: 1, blob: object },
          ],
          errors: {},
        },
      ]);
      const before = await world.batch(id);
      assert.deepEqual(
        [before.state, before.finalizingAt, before.outputFileId],
        ['finalizing', clock.now(), null],
      );

      const files = resultFiles();
      const task = await world.claimTask('finalise', id);
      await clock.advance(5);
      const end = await database.finalise(task, files);
      const ended = await world.batch(id);
      assert.deepEqual(ended, {
        ...before,
        state: 'completed',
        endReason: 'completed',
        outputFileId: files.outputFileId,
        errorFileId: files.errorFileId,
        endedAt: clock.now(),
      });
      const { state, succeeded, failed } = ended;
      assert.deepEqual(end, { state, succeeded, failed });
      await clock.advance(5);
      assert.deepEqual(await database.finalise(task, files), end, 'a repeat');
      assert.deepEqual(await world.batch(id), ended);

      assert.deepEqual(await database.getFile(workspaceId, files.outputFileId, null), {
        id: files.outputFileId,
        workspaceId,
        filename: files.outputFilename,
        purpose: 'batch',
        sampleType: 'batch_result',
        source: 'mistral',
        mimetype: 'application/jsonl',
        bytes: 370_004,
        numLines: 3,
        signature: null,
        visibility: 'workspace',
        createdBy: 'key',
        lineIndex: null,
        createdAt: ended.endedAt,
        expiresAt: null,
      });
      const output = await database.readManifest(files.outputFileId, 0, 10);
      assert.deepEqual(
        output.map(({ start, blob }) => [start, blob.kind === 'object' ? blob.name : 'inline']),
        [
          [0, large.name],
          [300_000, object.name],
          [370_000, 'inline'],
        ],
      );
      const error = await database.getFile(workspaceId, files.errorFileId, null);
      assert.deepEqual([error?.sampleType, error?.bytes, error?.numLines], ['batch_error', 4, 1]);
      const left = Object.values((await database.countWork()).shards);
      assert.ok(left.every((shards) => shards === 0));
    });

    it('makes no file of a kind that has no lines', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 1, count: 1 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      const files = resultFiles();
      const { outputFileId, errorFileId } = await world.finalise(id, files);
      assert.deepEqual([outputFileId, errorFileId], [files.outputFileId, null]);
      assert.equal(await database.getFile(workspaceId, files.errorFileId, null), null);
    });

    it('is done by one lease alone; whoever comes late is told that it is gone', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      const slow = await world.claimTask('finalise', id);
      await database.returnTask(slow, 0);
      const ended = await world.finalise(id);
      assert.equal(await database.finalise(slow, resultFiles()), null);
      assert.deepEqual(await world.batch(id), ended);
      assert.equal(await database.claimTask(world.session), null);
    });

    it('goes on after a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.plannedBatch({ shards: 1 });
      const [shard] = await world.claim();
      await world.finishShard(shard);
      const late = await world.claimTask('finalise', id);
      await world.restart();
      assert.equal(await world.database.finalise(late, resultFiles()), null);
      assert.equal((await world.finalise(id)).state, 'completed');
    });

    it('leaves the result files when the batch is deleted', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, workspaceId } = world;
      const { id } = await world.plannedBatch({ shards: 1, count: 1 });
      const [shard] = await world.claim();
      const blob = await world.blob(90_000);
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const parts = [{ kind: 'output', lines: 1, blob }] as const;
      await database.commitShards(session, [{ shardId: shard.id, epoch: shard.epoch, parts, errors: {} }]);
      const { outputFileId } = await world.finalise(id);
      await database.deleteBatch(workspaceId, id);
      assert.deepEqual(await world.runPurges(), ['done']);
      assert.deepEqual(await database.collectableBlobs(0, 10), []);
      assert.deepEqual((await database.readManifest(outputFileId!, 0, 10))[0].blob, blob);

      await database.deleteFile(workspaceId, outputFileId!);
      assert.deepEqual(await world.runPurges(), ['done']);
      assert.deepEqual(await database.collectableBlobs(0, 10), [
        { name: blob.name, pass: 'first', since: world.clock.now() },
      ]);
    });
  });
}
