import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { FileFilter } from '@bora/server/storage/ports/file-records';
import { BlobNotWritten } from '@bora/server/storage/ports/file-records';
import {
  DatabaseWorld,
  DAY_MS,
  inline,
  newBatch,
  newFile,
  NO_LIMITS,
  type OpenDatabase,
} from './database-world.ts';

const ALL: FileFilter = { viewer: null, page: 0, pageSize: 100, includeTotal: true };

export function registerFileContract(open: OpenDatabase): void {
  describe('files', () => {
    it('creates a file once, however often it is asked, and keeps it over a restart', async () => {
      await using world = await DatabaseWorld.open(open);
      const { workspaceId, session } = world;
      const blob = await world.blob(70_000);
      const cuts = await world.blob(80_000);
      const lineIndex = {
        version: 1,
        requests: 1,
        badLines: 0,
        firstBadLines: [],
        members: { messages: { count: 1, firstWithout: null } },
        models: { m: 1 },
        withoutModel: 0,
        firstWithoutModel: null,
        streamSeen: false,
      } as const;
      const file = newFile({
        workspaceId,
        manifest: [blob, inline('xyz')],
        cuts,
        lineIndex,
        signature: 'ab',
        expireMs: 60_000,
      });
      const created = await world.database.createFile(file, session);
      assert.deepEqual(await world.database.createFile(file, session), created);
      const { manifest: _, cuts: __, expireMs, ...facts } = file;
      const createdAt = world.clock.now();
      assert.deepEqual(created, { ...facts, createdAt, expiresAt: createdAt + expireMs! });

      await world.restart();
      assert.deepEqual(await world.database.getFile(workspaceId, file.id, null), created);
      assert.deepEqual(await world.database.readCuts(file.id), cuts);
      const parts = await world.database.readManifest(file.id, 0, 10);
      assert.deepEqual(
        parts.map(({ start, length, blob: part }) => [start, length, part.kind]),
        [
          [0, 70_000, 'object'],
          [70_000, 3, 'inline'],
        ],
      );
      assert.deepEqual(parts[0].blob, blob);
      const last = parts[1].blob;
      assert.equal(last.kind === 'inline' && Buffer.from(last.bytes).toString(), 'xyz');
    });

    it('refuses blobs that the session does not write, and then nothing has happened', async () => {
      await using world = await DatabaseWorld.open(open);
      const { workspaceId, session, database } = world;
      const mine = await world.blob(10);
      const released = await world.blob(10);
      await database.releaseBlobs(session, [released.name]);
      const foreign = await world.blob(10, await database.openSession());
      const unknown = { ...mine, name: 'unknown' };
      for (const wrong of [released, foreign, unknown]) {
        const file = newFile({ workspaceId, manifest: [mine, wrong] });
        await assert.rejects(database.createFile(file, session), BlobNotWritten);
        assert.equal(await database.getFile(workspaceId, file.id, null), null);
      }
      await world.createFile({ manifest: [mine] });
      await assert.rejects(world.createFile({ manifest: [mine] }), BlobNotWritten, 'a blob has one owner');
    });

    it('reads the manifest in pages from the part that holds an offset', async () => {
      await using world = await DatabaseWorld.open(open);
      const { id } = await world.createFile({ manifest: ['aa', '', 'bbb', 'c'].map(inline) });
      const starts = async (offset: number, most: number): Promise<number[]> =>
        (await world.database.readManifest(id, offset, most)).map(({ start }) => start);
      assert.deepEqual(await starts(0, 10), [0, 2, 5]);
      assert.deepEqual(await starts(1, 10), [0, 2, 5]);
      assert.deepEqual(await starts(2, 1), [2]);
      assert.deepEqual(await starts(4, 10), [2, 5]);
      assert.deepEqual(await starts(5, 10), [5]);
      assert.deepEqual(await starts(6, 10), []);
    });

    it('keeps a page of inline parts to about a mebibyte', async () => {
      await using world = await DatabaseWorld.open(open);
      const part = inline('x'.repeat(64 * 1024));
      const { id } = await world.createFile({ manifest: Array.from({ length: 40 }, () => part) });
      const parts = await world.database.readManifest(id, 0, 100);
      assert.ok(parts.length >= 8 && parts.length <= 24, `${parts.length} parts of 64 KiB`);
    });

    it('lists newest first, page by page, by every filter', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const ids: string[] = [];
      for (const file of [
        { filename: 'Alpha.jsonl' },
        { filename: 'beta.jsonl', sampleType: 'batch_result', source: 'mistral' },
        { filename: 'gamma.pdf', purpose: 'ocr', sampleType: 'ocr_input', mimetype: 'application/pdf' },
      ] as const) {
        ids.unshift((await world.createFile(file)).id);
        await clock.advance(1);
      }
      const listed = async (filter: Partial<FileFilter>): Promise<number[]> => {
        const { files, total } = await database.listFiles(workspaceId, { ...ALL, ...filter });
        if (filter.page === undefined) assert.equal(total, files.length);
        return files.map(({ id }) => ids.indexOf(id));
      };
      assert.deepEqual(await listed({}), [0, 1, 2]);
      assert.deepEqual(await listed({ page: 1, pageSize: 2 }), [2]);
      assert.deepEqual(await listed({ sampleTypes: ['batch_result', 'ocr_input'] }), [0, 1]);
      assert.deepEqual(await listed({ sources: ['mistral'] }), [1]);
      assert.deepEqual(await listed({ mimetypes: ['application/pdf'] }), [0]);
      assert.deepEqual(await listed({ purpose: 'batch' }), [1, 2]);
      assert.deepEqual(await listed({ search: 'ALPHA' }), [2]);
      assert.deepEqual(await listed({ search: 'a.', purpose: 'batch' }), [1, 2]);
      assert.deepEqual(await listed({ search: '%' }), []);
      const untold = await database.listFiles(workspaceId, { ...ALL, includeTotal: false });
      assert.equal(untold.total, null);
    });

    it('lists behind a file in either order, though files have one time, are made meanwhile, or it is deleted', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const made: string[] = [];
      for (let count = 0; count < 9; count++) {
        made.push((await world.createFile()).id);
        if (count % 3 === 2) await clock.advance(1);
      }
      for (const order of ['newest-first', 'oldest-first'] as const) {
        const walked: string[] = [];
        let after: FileFilter['after'];
        for (;;) {
          const filter = { ...ALL, pageSize: 2, order, after };
          const { files, total } = await database.listFiles(workspaceId, filter);
          assert.equal(total, order === 'newest-first' ? 9 : 10);
          walked.push(...files.map(({ id }) => id));
          if (files.length < 2) break;
          after = files[1];
        }
        assert.deepEqual(walked.toSorted(), made.toSorted());
        if (order === 'newest-first') made.push((await world.createFile()).id);
      }

      const { files } = await database.listFiles(workspaceId, { ...ALL, pageSize: 3 });
      await database.deleteFile(workspaceId, files[1].id);
      const after = (await database.findFilePlace(workspaceId, files[1].id))!;
      assert.deepEqual(after, { id: files[1].id, createdAt: files[1].createdAt });
      assert.deepEqual(await world.runPurges(), ['done']);
      assert.deepEqual(await database.findFilePlace(workspaceId, files[1].id), after);
      const behind = await database.listFiles(workspaceId, { ...ALL, pageSize: 1, after });
      assert.equal(behind.files[0].id, files[2].id);
      assert.equal(await database.findFilePlace(await world.workspace('other'), files[1].id), null);
      assert.equal(await database.findFilePlace(workspaceId, 'none'), null);
      await clock.advance(DAY_MS);
      await database.expireFiles(10);
      assert.equal(await database.findFilePlace(workspaceId, files[1].id), null);
    });

    it('hides a deleted file at once and goes on reading it for running batches', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.createFile();
      assert.equal(await database.deleteFile(workspaceId, id), true);
      assert.equal(await database.deleteFile(workspaceId, id), false);
      assert.equal(await database.getFile(workspaceId, id, null), null);
      assert.deepEqual((await database.listFiles(workspaceId, ALL)).files, []);
      assert.equal((await database.readManifest(id, 0, 10)).length, 1);
    });

    it('hides a file when its time is up, before anybody sweeps', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId, clock } = world;
      const expiring = await world.createFile({ expireMs: 1_000 });
      await world.createFile({ expireMs: 1_001 });
      await world.createFile();
      assert.equal(await database.expireFiles(10), 0);
      await clock.advance(1_000);
      assert.equal(await database.getFile(workspaceId, expiring.id, null), null);
      assert.equal((await database.listFiles(workspaceId, ALL)).total, 2);
      assert.equal(await database.expireFiles(10), 1);
      assert.equal(await database.expireFiles(10), 0);
      assert.deepEqual(await world.runPurges(), ['done']);
    });

    it('purges a deleted file once no running batch reads it', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const blob = await world.blob(10);
      const { id } = await world.createFile({ manifest: [blob] });
      const batch = await world.plannedBatch({ shards: 1 }, { inputFileIds: [id] });
      await database.deleteFile(workspaceId, id);
      assert.deepEqual(await world.runPurges(), ['in-use']);
      await database.cancelBatch(workspaceId, batch.id);
      await world.clock.advance(24 * 60 * 60 * 1000);
      assert.deepEqual(await world.runPurges(), ['done']);
      assert.deepEqual(await database.readManifest(id, 0, 10), []);
      assert.deepEqual(await database.collectableBlobs(0, 10), [
        { name: blob.name, pass: 'first', since: world.clock.now() },
      ]);
    });

    it('shows a workspace its own files alone', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database } = world;
      const other = await world.workspace('other');
      const { id } = await world.createFile();
      assert.equal(await database.getFile(other, id, null), null);
      assert.equal(await database.deleteFile(other, id), false);
      assert.deepEqual(await database.listFiles(other, ALL), { files: [], total: 0 });
      assert.notEqual(await database.getFile(world.workspaceId, id, null), null);
    });

    it("shows a user's file to that user alone, in every way there is to find one", async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, workspaceId } = world;
      const { id } = await world.createFile({ visibility: 'user', createdBy: 'ada' });
      const shared = await world.createFile({ createdBy: 'ada' });
      const early = await world.createFile({ visibility: 'user', createdBy: null });
      const seen = async (viewer: string | null): Promise<boolean[]> => {
        const { files, total } = await database.listFiles(workspaceId, { ...ALL, viewer });
        assert.equal(total, files.length);
        assert.ok([shared.id, early.id].every((other) => files.some((file) => file.id === other)));
        const batch = newBatch({ workspaceId, inputFileIds: [id], createdBy: viewer });
        const created = await database.createBatch(batch, NO_LIMITS);
        return [
          files.some((file) => file.id === id),
          (await database.getFile(workspaceId, id, viewer)) !== null,
          created.kind === 'created',
        ];
      };
      assert.deepEqual(await seen('ada'), [true, true, true]);
      assert.deepEqual(await seen('ben'), [false, false, false]);
      assert.deepEqual(await seen(null), [true, true, true]);
      const deletes = (user: string): Promise<boolean> =>
        database.deleteFile(workspaceId, id, { keyId: 'k', user, ip: null });
      assert.equal(await deletes('ben'), false);
      assert.equal(await deletes('ada'), true);
    });
  });
}
