import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FileRecord } from '@bora/server/storage/ports/file-records';
import { DatabaseWorld, DAY_MS, newBatch, NO_LIMITS, type OpenDatabase } from './database-world.ts';

const MEMBER = 'file_id';

/** Files that lines of a batch's input name. */
export function registerNamedFileContract(open: OpenDatabase): void {
  describe('files that lines name', () => {
    it('refuses a batch whose lines name a file that its creator does not see, with the first such line', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const good = await world.createFile();
      const deleted = await world.createFile();
      await database.deleteFile(workspaceId, deleted.id);
      const expired = await world.createFile({ expireMs: 1 });
      await clock.advance(1);
      const foreign = await world.createFile({ workspaceId: await world.workspace('other') });
      const private_ = await world.createFile({ visibility: 'user', createdBy: 'ben' });
      const bad = ['unknown', deleted.id, expired.id, foreign.id, private_.id];
      for (const fileId of bad) {
        const input = await naming(world, [good.id, fileId, 'z']);
        const batch = newBatch({
          workspaceId,
          inputFileIds: [good.id, input.id],
          fileMember: MEMBER,
          createdBy: 'ada',
        });
        assert.deepEqual(await database.createBatch(batch, NO_LIMITS), {
          kind: 'missing-named-file',
          inputFileId: input.id,
          line: 2,
          fileId,
          missing: 2,
        });
        assert.equal(await database.getBatch(workspaceId, batch.id), null);
        const other = await database.createBatch({ ...batch, fileMember: 'document.file_id' }, NO_LIMITS);
        assert.equal(other.kind, 'created', 'what stands in another member is nobody’s business');
      }
      const input = await naming(world, [good.id, private_.id]);
      const mine = newBatch({ workspaceId, inputFileIds: [input.id], fileMember: MEMBER, createdBy: 'ben' });
      assert.equal((await database.createBatch(mine, NO_LIMITS)).kind, 'created');
    });

    it('finds what a batch was created over after it was deleted, for this batch alone, and keeps its bytes until the end', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const blob = await world.blob(10);
      const sound = await world.createFile({ manifest: [blob], filename: 'a.wav' });
      const input = await naming(world, [sound.id]);
      const batch = await world.plannedBatch({ shards: 1 }, { inputFileIds: [input.id], fileMember: MEMBER });
      const plain = await world.plannedBatch(
        { shards: 1 },
        { inputFileIds: [input.id], fileMember: 'document.file_id' },
      );
      assert.deepEqual(await database.findNamedFile(plain.id, sound.id), sound);

      assert.ok(await database.deleteFile(workspaceId, sound.id));
      assert.equal(await database.getFile(workspaceId, sound.id, null), null);
      assert.deepEqual(await world.runPurges(), ['in-use']);
      assert.deepEqual(await database.findNamedFile(batch.id, sound.id), sound);
      assert.equal(await database.findNamedFile(plain.id, sound.id), null);
      assert.equal(await database.findNamedFile('unknown', sound.id), null);
      assert.equal((await database.readManifest(sound.id, 0, 10)).length, 1);

      await database.cancelBatch(workspaceId, batch.id);
      await world.clock.advance(DAY_MS);
      assert.deepEqual(await world.runPurges(), ['done']);
      assert.equal(await database.findNamedFile(batch.id, sound.id), null);
    });

    it('finds no file of another workspace, though a line names it', async () => {
      await using world = await DatabaseWorld.open(open);
      const foreign = await world.createFile({ workspaceId: await world.workspace('other') });
      const input = await naming(world, [foreign.id]);
      const batch = await world.createBatch({ inputFileIds: [input.id] });
      assert.equal(await world.database.findNamedFile(batch.id, foreign.id), null);
    });

    it('forgets what a purged input named', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const sound = await world.createFile();
      const input = await naming(world, [sound.id]);
      await database.deleteFile(workspaceId, input.id);
      assert.deepEqual(await world.runPurges(), ['done']);
      await database.deleteFile(workspaceId, sound.id);
      assert.deepEqual(await world.runPurges(), ['done']);
    });
  });
}

/** An input whose lines name these files, one each. */
function naming(world: DatabaseWorld, fileIds: readonly string[]): Promise<FileRecord> {
  return world.createFile({
    references: fileIds.map((fileId, at) => ({ member: MEMBER, fileId, line: at + 1 })),
  });
}
