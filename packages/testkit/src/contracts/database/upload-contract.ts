import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import type { BlobRef } from '@bora/server/storage/ports/blobs';
import { BlobNotWritten, WorkspaceFull } from '@bora/server/storage/ports/file-records';
import type {
  AddedPart,
  NewUpload,
  UploadPartLimits,
  UploadRecord,
} from '@bora/server/storage/ports/upload-records';
import { DatabaseWorld, DAY_MS, inline, newFile, type OpenDatabase } from './database-world.ts';

const HOUR_MS = 60 * 60 * 1000;
const NO_LIMITS: UploadPartLimits = { maxParts: 100, maxStoredBytes: null };

export function registerUploadContract(open: OpenDatabase): void {
  describe('uploads', () => {
    it('creates an upload once, however often it is asked, in its workspace, and keeps it over a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      const upload = newUpload(world);
      const created = await world.database.createUpload(upload);
      const { clock, workspaceId } = world;
      const times = { createdAt: clock.now(), expiresAt: clock.now() + HOUR_MS };
      assert.deepEqual(created, { ...upload, state: 'pending', partIds: null, ...times });
      await clock.advance(1);
      assert.deepEqual(await world.database.createUpload(upload), created);
      await world.restart();
      assert.deepEqual(await world.database.getUpload(workspaceId, upload.id), created);
      assert.equal(await world.database.getUpload(await world.workspace('other'), upload.id), null);
      assert.equal(await world.database.getUpload(workspaceId, 'none'), null);
    });

    it('takes parts in any order, each once, and reads them as they are asked for', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.database.createUpload(newUpload(world));
      const large = await world.blob(70_000);
      await addPart(world, id, 'b', large);
      const again = await addPart(world, id, 'b', large);
      assert.deepEqual(again, { kind: 'added', createdAt: world.clock.now() });
      await addPart(world, id, 'a', inline('xyz'));
      await world.restart();
      const read = async (ids: string[]): Promise<string[]> =>
        (await world.database.readUploadParts(id, ids)).map((part) => part.id);
      assert.deepEqual(await read(['a', 'b']), ['a', 'b']);
      assert.deepEqual(await read(['b', 'none', 'a']), ['b', 'a']);
      assert.deepEqual(await world.database.readUploadParts('none', ['a']), []);
      assert.deepEqual((await world.database.readUploadParts(id, ['b']))[0].blob, large);
    });

    it('refuses blobs that the session does not write, too many parts, and more bytes than may be stored', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await database.createUpload(newUpload(world));
      const foreign = await world.blob(10, await database.openSession());
      await assert.rejects(addPart(world, id, 'x', foreign), BlobNotWritten);
      assert.deepEqual(await database.readUploadParts(id, ['x']), []);

      const limits = { maxParts: 2, maxStoredBytes: 100 };
      await assert.rejects(addPart(world, id, 'x', await world.blob(101), limits), WorkspaceFull);
      await addPart(world, id, 'a', await world.blob(99), limits);
      assert.equal((await database.workspaceUsage(workspaceId))?.storedBytes, 99);
      await assert.rejects(addPart(world, id, 'b', await world.blob(2), limits), WorkspaceFull);
      await assert.rejects(world.createFile({ bytes: 2 }, 100), WorkspaceFull, 'parts count beside files');
      await addPart(world, id, 'b', await world.blob(1), limits);
      assert.deepEqual(await addPart(world, id, 'c', inline(''), limits), { kind: 'full' });
      assert.equal((await addPart(world, id, 'a', inline(''), limits)).kind, 'added', 'a repeat');
    });

    it('makes the file of the parts in the order given, once, and releases the others', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, session } = world;
      const upload = await database.createUpload(newUpload(world));
      const [first, last, orphan] = [await world.blob(70_000), await world.blob(30), await world.blob(5)];
      await addPart(world, upload.id, 'last', last);
      await addPart(world, upload.id, 'empty', inline(''));
      await addPart(world, upload.id, 'orphan', orphan);
      await addPart(world, upload.id, 'first', first);
      await addPart(world, upload.id, 'middle', inline('xyz'));
      const cuts = await world.blob(8);
      const partIds = ['first', 'empty', 'middle', 'last'];
      const completed = await complete(world, upload, partIds, cuts);
      assert.deepEqual(completed, { ...upload, state: 'completed', partIds });

      const parts = await database.readManifest(upload.fileId, 0, 10);
      assert.deepEqual(
        parts.map(({ start, length }) => [start, length]),
        [
          [0, 70_000],
          [70_000, 3],
          [70_003, 30],
        ],
      );
      assert.deepEqual([parts[0].blob, parts[2].blob], [first, last]);
      assert.deepEqual(await database.readCuts(upload.fileId), cuts);
      assert.deepEqual(await collectable(world), [orphan.name]);
      assert.equal((await database.workspaceUsage(workspaceId))?.storedBytes, 70_033);

      const again = await complete(world, upload, ['other'], await world.blob(8));
      assert.deepEqual(again, completed, 'it stays as it is');
      assert.equal((await addPart(world, upload.id, 'late', inline('x'))).kind, 'ended');
      assert.equal((await database.cancelUpload(workspaceId, upload.id))?.state, 'completed');
      await database.closeSession(session);
      await world.restart();
      assert.equal((await collectable(world)).includes(first.name), false);

      await world.database.deleteFile(workspaceId, upload.fileId);
      await world.runPurges();
      assert.equal((await collectable(world)).includes(first.name), true);
    });

    it('makes no file if the cuts are not written by the session', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const upload = await database.createUpload(newUpload(world));
      await addPart(world, upload.id, 'a', inline('x'));
      const foreign = await world.blob(10, await database.openSession());
      await assert.rejects(complete(world, upload, ['a'], foreign), BlobNotWritten);
      assert.equal((await database.getUpload(workspaceId, upload.id))?.state, 'pending');
      assert.equal(await database.getFile(workspaceId, upload.fileId, null), null);
      assert.equal((await complete(world, upload, ['a'], null))?.state, 'completed');
    });

    it('cancels a pending upload, and drops its parts', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const upload = await database.createUpload(newUpload(world));
      const blob = await world.blob(10);
      await addPart(world, upload.id, 'a', blob);
      const other = await world.workspace('other');
      assert.equal(await database.cancelUpload(other, upload.id), null);
      const cancelled = await database.cancelUpload(workspaceId, upload.id);
      assert.deepEqual(cancelled, { ...upload, state: 'cancelled' });
      assert.deepEqual(await database.cancelUpload(workspaceId, upload.id), cancelled);
      assert.deepEqual(await collectable(world), [blob.name]);
      assert.equal((await complete(world, upload, [], null))?.state, 'cancelled');
      assert.equal((await addPart(world, upload.id, 'b', inline('x'))).kind, 'ended');
      assert.equal((await database.workspaceUsage(workspaceId))?.storedBytes, 0);
    });

    it('ends an upload when its time is up, before anybody sweeps, and forgets it a day later', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const upload = await database.createUpload(newUpload(world));
      const done = await database.createUpload(newUpload(world));
      const blob = await world.blob(10);
      await addPart(world, upload.id, 'a', blob);
      await complete(world, done, [], null);
      assert.equal(await database.expireUploads(10), 0);
      await clock.advance(HOUR_MS);
      const stateOf = async ({ id }: UploadRecord): Promise<string | undefined> =>
        (await database.getUpload(workspaceId, id))?.state;
      assert.equal(await stateOf(upload), 'expired');
      assert.equal((await addPart(world, upload.id, 'b', inline('x'))).kind, 'ended');
      assert.equal((await database.cancelUpload(workspaceId, upload.id))?.state, 'expired');
      assert.deepEqual(await collectable(world), []);
      assert.equal(await database.expireUploads(10), 1);
      assert.equal(await database.expireUploads(10), 0);
      assert.deepEqual(await collectable(world), [blob.name]);
      assert.deepEqual([await stateOf(upload), await stateOf(done)], ['expired', 'completed']);
      await clock.advance(DAY_MS);
      await database.expireUploads(10);
      assert.deepEqual([await stateOf(upload), await stateOf(done)], [undefined, undefined]);
      assert.notEqual(await database.getFile(workspaceId, done.fileId, null), null);
    });
  });
}

function newUpload({ workspaceId }: DatabaseWorld): NewUpload {
  return {
    id: `upload_${randomUUID()}`,
    workspaceId,
    fileId: randomUUID(),
    filename: 'requests.jsonl',
    purpose: 'batch',
    bytes: 70_033,
    fileExpiresMs: null,
    createdBy: 'ada',
  };
}

function addPart(
  { database, workspaceId, session }: DatabaseWorld,
  uploadId: string,
  id: string,
  blob: BlobRef,
  limits = NO_LIMITS,
): Promise<AddedPart> {
  return database.addUploadPart({ id, uploadId, workspaceId, blob }, session, limits);
}

function complete(
  { database, session }: DatabaseWorld,
  { id: uploadId, workspaceId, fileId, bytes }: UploadRecord,
  partIds: readonly string[],
  cuts: BlobRef | null,
): Promise<UploadRecord | null> {
  const { manifest: _, ...file } = newFile({ workspaceId, id: fileId, bytes, cuts });
  return database.completeUpload({ workspaceId, uploadId, partIds, file }, session);
}

async function collectable({ database }: DatabaseWorld): Promise<string[]> {
  return (await database.collectableBlobs(0, 1000)).map(({ name }) => name);
}
