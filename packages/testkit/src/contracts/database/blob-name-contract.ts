import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BlobNotWritten } from '@bora/server/storage/ports/file-records';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';

const HOUR_MS = 60 * 60 * 1000;

export function registerBlobNameContract(open: OpenDatabase): void {
  describe('blob names', () => {
    it('gives names that nobody else has, and collects none that is written or owned', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const names = [
        ...(await database.reserveBlobs(session, 50)),
        ...(await database.reserveBlobs(session, 50)),
      ];
      assert.equal(new Set(names).size, 100);
      await world.createFile({
        manifest: [{ kind: 'object', name: names[0], offset: 0, length: 1, checksum: '' }],
      });
      await world.clock.advance(24 * HOUR_MS);
      assert.deepEqual(await database.collectableBlobs(0, 1_000), []);
    });

    it('collects in two passes, each after the grace, and then forgets the name', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session, clock } = world;
      const [name, other] = await database.reserveBlobs(session, 2);
      await database.releaseBlobs(session, [name]);
      await clock.advance(HOUR_MS - 1);
      await database.releaseBlobs(session, [name]);
      assert.deepEqual(await database.collectableBlobs(HOUR_MS, 10), []);
      await clock.advance(1);
      const first = await database.collectableBlobs(HOUR_MS, 10);
      assert.deepEqual(first, [{ name, pass: 'first', since: clock.now() - HOUR_MS }]);
      await database.markErased(first);
      await database.markErased(first);
      assert.deepEqual(await database.collectableBlobs(HOUR_MS, 10), []);
      await clock.advance(HOUR_MS);
      const second = await database.collectableBlobs(HOUR_MS, 10);
      assert.deepEqual(second, [{ name, pass: 'second', since: clock.now() - HOUR_MS }]);
      await database.markErased(second);
      await database.markErased(second);
      await clock.advance(HOUR_MS);
      assert.deepEqual(await database.collectableBlobs(HOUR_MS, 10), []);
      await database.releaseBlobs(session, [other]);
      assert.deepEqual(await database.collectableBlobs(0, 10), [
        { name: other, pass: 'first', since: clock.now() },
      ]);
    });

    it('answers no more than asked for', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const names = await database.reserveBlobs(session, 5);
      await database.releaseBlobs(session, names);
      const page = await database.collectableBlobs(0, 3);
      await database.markErased(page);
      const rest = await database.collectableBlobs(1, 10);
      assert.deepEqual(rest, [], 'not yet an hour, here a millisecond, ago');
      await world.clock.advance(1);
      assert.equal((await database.collectableBlobs(1, 10)).length, 5);
    });

    it('goes on behind the last of a page, those of one moment by name, the longest waiting first', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const names = await database.reserveBlobs(session, 5);
      const [late] = names.splice(2, 1);
      await database.releaseBlobs(session, names);
      await world.clock.advance(1);
      await database.releaseBlobs(session, [late]);
      const seen: string[] = [];
      for (let page = await database.collectableBlobs(0, 2); page.length > 0;) {
        seen.push(...page.map(({ name }) => name));
        page = await database.collectableBlobs(0, 2, page.at(-1));
      }
      assert.deepEqual(seen, [...names.toSorted(), late]);
    });

    it('releases only what this session still writes', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const other = await database.openSession();
      const theirs = await world.blob(10, other);
      const owned = await world.blob(10);
      await world.createFile({ manifest: [owned] });
      await database.releaseBlobs(session, [theirs.name, owned.name, 'unknown']);
      assert.deepEqual(await database.collectableBlobs(0, 10), []);
    });

    it('releases what a session wrote when it ends, in order or not', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, clock } = world;
      const closing = await database.openSession();
      const [closed] = await database.reserveBlobs(closing, 1);
      await database.closeSession(closing);
      const dying = await database.openSession();
      const [buried] = await database.reserveBlobs(dying, 1);
      await clock.advance(1_000);
      await database.heartbeat(world.session);
      assert.equal(await database.burySilentSessions(500), 1);
      const collectable = await database.collectableBlobs(0, 10);
      assert.deepEqual(collectable.map(({ name }) => name).toSorted(), [closed, buried].toSorted());
      for (const [name, session] of [
        [closed, closing],
        [buried, dying],
      ]) {
        const blob = { kind: 'object', name, offset: 0, length: 1, checksum: '' } as const;
        world.session = session;
        await assert.rejects(world.createFile({ manifest: [blob] }), BlobNotWritten);
        await assert.rejects(database.reserveBlobs(session, 1), 'a dead session gets no names');
      }
    });

    it('passes a journaled blob to the shard, and releases the one that no part names', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      await world.plannedBatch({ shards: 1, count: 2 });
      const [shard] = await world.claim();
      const kept = await world.blob(300_000);
      const folded = await world.blob(300_000);
      await world.journal(shard, 0, [
        { ordinal: 0, blob: kept },
        { ordinal: 1, blob: folded },
      ]);
      await database.releaseBlobs(session, [kept.name, folded.name]);
      assert.deepEqual(await database.collectableBlobs(0, 10), [], 'the journal owns them');
      const written = await world.blob(300_000);
      const parts = [
        { kind: 'output', lines: 1, blob: kept },
        { kind: 'output', lines: 1, blob: written },
      ] as const;
      const commit = { shardId: shard.id, epoch: shard.epoch, parts, errors: {} };
      assert.deepEqual(await database.commitShards(session, [commit]), ['committed']);
      assert.deepEqual(await database.collectableBlobs(0, 10), [
        { name: folded.name, pass: 'first', since: world.clock.now() },
      ]);
    });

    it('refuses a commit that names a blob nobody writes, and changes nothing', async () => {
      await using world = await DatabaseWorld.open(open);
      const { database, session } = world;
      const { id } = await world.plannedBatch({ shards: 1, count: 1 });
      const [shard] = await world.claim();
      await world.journal(shard, 0, [{ ordinal: 0 }]);
      const blob = await world.blob(300_000);
      await database.releaseBlobs(session, [blob.name]);
      const parts = [{ kind: 'output', lines: 1, blob }] as const;
      const commit = { shardId: shard.id, epoch: shard.epoch, parts, errors: {} };
      await assert.rejects(database.commitShards(session, [commit]), BlobNotWritten);
      assert.equal((await world.batch(id)).state, 'running');
      assert.equal(await world.commit(shard, { output: 1 }), 'committed');
    });
  });
}
