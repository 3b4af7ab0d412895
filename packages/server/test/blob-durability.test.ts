import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipFileSync, skipFolderSync } from '@bora/testkit/defects/disk-defects';
import { seededRandom } from '@bora/testkit/seeded-random';
import type { PowerCut } from '@bora/testkit/simulated-disk';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';
import type { Disk } from '../src/storage/ports/disk.ts';
import { DiskError } from '../src/storage/ports/disk.ts';

const CONTENT = Buffer.from(Uint8Array.from({ length: 600 * 1024 }, (_, at) => (at * 7 + (at >> 8)) & 0xff));
const WAYS: readonly PowerCut[] = (['dropped', 'kept', 'torn'] as const).flatMap((bytes) =>
  (['dropped', 'kept', 'torn'] as const).map((names) => ({ bytes, names })),
);

describe('power goes while a blob is written', () => {
  it('at any change: the blob is whole or not there, and whole once finish resolved', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      assert.deepEqual(await cutEverywhere((disk) => disk, { seed, firstStart: false }), []);
    }
  });

  it('at any change of the very first start', async () => {
    const ways = WAYS.filter(({ bytes, names }) => bytes === names && bytes !== 'kept');
    assert.deepEqual(await cutEverywhere((disk) => disk, { seed: 6, firstStart: true, ways }), []);
  });

  it('what was removed may come back, until removals are synced', async () => {
    const disk = new SimulatedDisk();
    const blobs = await openDiskBlobStore(disk);
    await writeBlob(blobs, 'blob');
    await blobs.remove('blob');
    disk.crash();
    const restarted = await openDiskBlobStore(disk);
    assert.equal(await stateOf(restarted, 'blob'), 'whole');
    await restarted.remove('blob');
    await restarted.syncRemovals();
    disk.crash();
    assert.equal(await stateOf(await openDiskBlobStore(disk), 'blob'), 'absent');
  });

  it('a store whose files are never synced is caught', async () => {
    const found = await cutEverywhere(skipFileSync, { seed: 7, firstStart: false });
    assert.ok(found.includes('torn after finish'), String(found));
    assert.ok(found.includes('torn before finish'), String(found));
  });

  it('a store whose folders are never synced is caught', async () => {
    const found = await cutEverywhere(skipFolderSync, { seed: 8, firstStart: false });
    assert.ok(found.includes('lost after finish'), String(found));
  });
});

describe('the disk fails while a blob is written', () => {
  for (const code of ['ENOSPC', 'EIO']) {
    it(`${code} at any change: rejects with it, leaves nothing, and the next blob is fine`, async () => {
      let nth = 0;
      for (let failed = true; failed;) {
        nth += 1;
        const disk = new SimulatedDisk();
        const blobs = await openDiskBlobStore(disk);
        disk.injectFault({ nth, code });
        failed = await writeBlob(blobs, 'unlucky').then(
          () => false,
          (error: unknown) => {
            assert.ok(error instanceof DiskError && error.code === code, String(error));
            return true;
          },
        );
        if (failed) {
          assert.equal(await stateOf(blobs, 'unlucky'), 'absent');
          assert.deepEqual(await disk.list('writing'), []);
          await writeBlob(blobs, 'lucky');
          assert.equal(await stateOf(blobs, 'lucky'), 'whole');
        }
      }
      assert.ok(nth > 6, `only ${nth - 1} places failed`);
    });
  }

  it('a failed sync is never tried again', async () => {
    const disk = new SimulatedDisk();
    const blobs = await openDiskBlobStore(disk);
    disk.injectFault({ operation: 'sync', nth: 1, code: 'EIO' });
    const writer = await blobs.create('unsynced');
    await writer.write(CONTENT);
    await assert.rejects(writer.finish(), DiskError);
    await assert.rejects(writer.finish());
    const after = disk.log.map(({ operation }) => operation);
    assert.equal(after.filter((operation) => operation === 'sync').length, 1);
    assert.ok(!after.includes('rename'));
  });
});

/** Cuts the power before each change of opening a store and writing one blob, in every way; answers what went wrong. */
async function cutEverywhere(
  wrap: (disk: Disk) => Disk,
  { seed, firstStart, ways = WAYS }: { seed: number; firstStart: boolean; ways?: readonly PowerCut[] },
): Promise<string[]> {
  const wrong = new Set<string>();
  const random = seededRandom(seed);
  for (const way of ways) {
    for (let nth = 1, finished = false; !finished; nth += 1) {
      const disk = new SimulatedDisk({ random });
      if (!firstStart) await openDiskBlobStore(disk);
      disk.cutPowerBefore(nth);
      finished = await openDiskBlobStore(wrap(disk))
        .then((blobs) => writeBlob(blobs, 'blob'))
        .then(
          () => true,
          () => false,
        );
      disk.crash(way);
      const state = await stateOf(await openDiskBlobStore(disk), 'blob');
      if (state === 'torn') wrong.add(`torn ${finished ? 'after' : 'before'} finish`);
      if (state === 'absent' && finished) wrong.add('lost after finish');
      assert.deepEqual(await disk.list('writing'), []);
    }
  }
  return [...wrong];
}

async function writeBlob(blobs: BlobStore, name: string): Promise<void> {
  const writer = await blobs.create(name);
  try {
    await writer.write(CONTENT.subarray(0, 1_000));
    await writer.write(CONTENT.subarray(1_000, 400_000));
    await writer.write(CONTENT.subarray(400_000));
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

async function stateOf(blobs: BlobStore, name: string): Promise<'absent' | 'torn' | 'whole'> {
  if (!(await isReadable(blobs, name, 0, 0))) return 'absent';
  return (await isReadable(blobs, name, 0, CONTENT.byteLength)) ? 'whole' : 'torn';
}

async function isReadable(blobs: BlobStore, name: string, start: number, end: number): Promise<boolean> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const chunk of blobs.read(name, start, end)) chunks.push(chunk);
  } catch (error) {
    if (error instanceof BlobMissingError) return false;
    throw error;
  }
  return CONTENT.subarray(start, end).equals(Buffer.concat(chunks));
}
