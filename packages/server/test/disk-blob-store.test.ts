import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { registerBlobStoreContract } from '@bora/testkit/contracts/blob-contract';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { openVolatileDisk } from '@bora/testkit/volatile-disk';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import { openSystemDisk } from '../src/storage/disk/system-disk.ts';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';
import { DiskError } from '../src/storage/ports/disk.ts';

const MIB = 1024 * 1024;

registerBlobStoreContract('the blob store on the system disk', async () => {
  const folder = await makeTemporaryFolder();
  const blobs = await openDiskBlobStore(await openSystemDisk(folder.path));
  return { blobs, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});

registerBlobStoreContract('the blob store on the simulated disk', async () => {
  const blobs = await openDiskBlobStore(new SimulatedDisk());
  return { blobs, [Symbol.asyncDispose]: async () => {} };
});

registerBlobStoreContract('the blob store on the volatile disk', async () => {
  const folder = await makeTemporaryFolder();
  const disk = await openVolatileDisk(await openSystemDisk(folder.path));
  const blobs = await openDiskBlobStore(disk);
  return { blobs, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});

describe('the blob store on a disk', () => {
  it('removes at open what an earlier process left unfinished', async () => {
    const disk = new SimulatedDisk();
    const writer = await (await openDiskBlobStore(disk)).create('half');
    await writer.write(new Uint8Array(MIB));
    assert.deepEqual(await disk.list('writing'), ['half']);
    await openDiskBlobStore(disk);
    assert.deepEqual(await disk.list('writing'), []);
  });

  it('spreads names of any shape over its folders', async () => {
    const disk = new SimulatedDisk();
    const blobs = await openDiskBlobStore(disk);
    for (let at = 0; at < 200; at += 1) await (await blobs.create(`0190-same-start-${at}`)).finish();
    const used = new Set(
      disk.log.filter((entry) => entry.path.startsWith('objects/0')).map((entry) => entry.path),
    );
    assert.ok(used.size > 8, `only ${used.size} of the folders 00 to 0f were used`);
    await assert.rejects(blobs.create('../escape'), DiskError);
  });

  it('closes every file it opened, however reading and writing end', async () => {
    const disk = new SimulatedDisk();
    const blobs = await openDiskBlobStore(disk);
    const finished = await blobs.create('finished');
    await finished.write(new Uint8Array(MIB));
    await finished.finish();
    const abandoned = await blobs.create('abandoned');
    await abandoned.abandon();
    for await (const chunk of blobs.read('finished', 0, MIB)) {
      if (chunk.byteLength > 0) break;
    }
    await drain(blobs.read('finished', 0, MIB));
    await assert.rejects(drain(blobs.read('finished', 0, 2 * MIB)));
    disk.injectFault({ operation: 'read', nth: 2, code: 'EIO' });
    await assert.rejects(drain(blobs.read('finished', 0, MIB)), { code: 'EIO' });
    assert.equal(disk.openHandles, 0);
  });

  it('leaves no object when abandoned during any step of finish, which then rejects', async () => {
    for (const step of ['rename', 'syncFolder'] as const) {
      const disk = new PausingDisk(step);
      const blobs = await openDiskBlobStore(disk);
      disk.pausing = true;
      const writer = await blobs.create('stopped');
      await writer.write(new Uint8Array(MIB));
      const finishing = writer.finish();
      await disk.reached.promise;
      const abandoning = writer.abandon();
      disk.gate.resolve();
      await assert.rejects(finishing);
      await abandoning;
      await assert.rejects(drain(blobs.read('stopped', 0, 0)), BlobMissingError);
      assert.deepEqual(await disk.list('writing'), []);
    }
  });

  it('gathers small writes', async () => {
    const disk = new SimulatedDisk();
    const writer = await (await openDiskBlobStore(disk)).create('lines');
    for (let at = 0; at < 10_000; at += 1) await writer.write(new Uint8Array(100));
    await writer.finish();
    assert.ok(disk.log.filter(({ operation }) => operation === 'write').length <= 4);
  });

  it('refuses below the floor of free space, and goes on once there is room', async () => {
    const disk = new SimulatedDisk({ capacity: 100 * MIB });
    const blobs = await openDiskBlobStore(disk, { minFreeBytes: 64 * MIB });
    const writer = await blobs.create('filling');
    const chunk = new Uint8Array(MIB);
    let written = 0;
    await assert.rejects(async () => {
      for (; written < 100; written += 1) await writer.write(chunk);
    }, isFull);
    assert.ok(written >= 36 && written <= 36 + 8, `${written} MiB went in before it was refused`);
    await assert.rejects(writer.finish());
    assert.deepEqual(await disk.list('writing'), []);

    disk.setCapacity(60 * MIB);
    await assert.rejects(blobs.create('no-room'), isFull);
    disk.setCapacity(100 * MIB);
    await (await blobs.create('room')).finish();
  });

  it('measures free space seldom', async () => {
    const disk = new SimulatedDisk();
    const writer = await (await openDiskBlobStore(disk)).create('large');
    for (let at = 0; at < 64; at += 1) await writer.write(new Uint8Array(MIB));
    assert.ok(disk.log.filter(({ operation }) => operation === 'freeBytes').length <= 9);
    await writer.abandon();
  });
});

function isFull(error: unknown): boolean {
  return error instanceof DiskError && error.code === 'ENOSPC';
}

async function drain(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) assert.ok(chunk.byteLength > 0);
}

/** Holds the caller at one kind of step, before the step happens. */
class PausingDisk extends SimulatedDisk {
  readonly reached = Promise.withResolvers<void>();
  readonly gate = Promise.withResolvers<void>();
  pausing = false;
  readonly #step: 'rename' | 'syncFolder';

  constructor(step: 'rename' | 'syncFolder') {
    super();
    this.#step = step;
  }

  override async rename(from: string, to: string): Promise<void> {
    await this.#pause('rename');
    await super.rename(from, to);
  }

  override async syncFolder(path: string): Promise<void> {
    await this.#pause('syncFolder');
    await super.syncFolder(path);
  }

  async #pause(step: 'rename' | 'syncFolder'): Promise<void> {
    if (!this.pausing || step !== this.#step) return;
    this.reached.resolve();
    await this.gate.promise;
  }
}
