import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DiskError } from '@bora/server/storage/ports/disk';
import type { Disk } from '@bora/server/storage/ports/disk';
import { seededRandom } from '../src/seeded-random.ts';
import { SimulatedDisk } from '../src/simulated-disk.ts';

describe('a crash of the simulated disk', () => {
  it('keeps bytes and names that were synced', async () => {
    const disk = new SimulatedDisk();
    await write(disk, 'a', 'synced', { sync: true });
    await disk.syncFolder('.');
    disk.crash();
    assert.equal(await contentOf(disk, 'a'), 'synced');
  });

  it('drops bytes written after the last sync', async () => {
    const disk = new SimulatedDisk();
    const writer = await write(disk, 'a', 'synced', { sync: true });
    await disk.syncFolder('.');
    await writer.write(bytes(' and more'));
    disk.crash();
    assert.equal(await contentOf(disk, 'a'), 'synced');
  });

  it('leaves an empty file where only the name was synced', async () => {
    const disk = new SimulatedDisk();
    await write(disk, 'a', 'never synced', { sync: false });
    await disk.syncFolder('.');
    disk.crash();
    assert.equal(await contentOf(disk, 'a'), '');
  });

  it('tears unsynced bytes: the first of them, and then nothing or zeros', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = new SimulatedDisk({ random: seededRandom(seed) });
      const writer = await write(disk, 'a', 'ab', { sync: true });
      await disk.syncFolder('.');
      await writer.write(bytes('cd'));
      disk.crash({ bytes: 'torn' });
      seen.add(await contentOf(disk, 'a'));
    }
    assert.deepEqual([...seen].toSorted(), ['ab', 'ab\0\0', 'abc', 'abc\0']);
  });

  it('rolls back names that were created, renamed or removed without a sync of their folder', async () => {
    const disk = new SimulatedDisk();
    for (const name of ['stays', 'renamed', 'removed']) await write(disk, name, name, { sync: true });
    await disk.makeFolder('folder');
    await disk.syncFolder('.');
    await write(disk, 'created', '', { sync: true });
    await disk.rename('renamed', 'folder/elsewhere');
    await disk.remove('removed');
    disk.crash();
    assert.deepEqual((await disk.list('.')).toSorted(), ['folder', 'removed', 'renamed', 'stays']);
    assert.deepEqual(await disk.list('folder'), []);
  });

  it('forgets a folder with everything in it if its own name was not synced', async () => {
    const disk = new SimulatedDisk();
    await disk.makeFolder('folder');
    await write(disk, 'folder/a', 'a', { sync: true });
    await disk.syncFolder('folder');
    disk.crash();
    assert.deepEqual(await disk.list('.'), []);
  });

  it('keeps everything if asked to, and never loses the target of a rename within a folder', async () => {
    const kept = new SimulatedDisk();
    await write(kept, 'a', 'unsynced', { sync: false });
    kept.crash({ bytes: 'kept', names: 'kept' });
    assert.equal(await contentOf(kept, 'a'), 'unsynced');

    for (let seed = 0; seed < 20; seed += 1) {
      const disk = new SimulatedDisk({ random: seededRandom(seed) });
      await write(disk, 'old', 'old', { sync: true });
      await write(disk, 'new', 'new', { sync: true });
      await disk.syncFolder('.');
      await disk.rename('new', 'old');
      disk.crash({ names: 'torn' });
      assert.match((await disk.list('.')).toSorted().join(), /^(old|new,old)$/);
    }
  });

  it('kills handles that were open', async () => {
    const disk = new SimulatedDisk();
    const writer = await write(disk, 'a', 'a', { sync: true });
    await disk.syncFolder('.');
    disk.crash();
    await assert.rejects(writer.write(bytes('b')), DiskError);
    await assert.rejects(writer.sync(), DiskError);
    assert.equal(await contentOf(disk, 'a'), 'a');
  });
});

describe('a failing simulated disk', () => {
  it('drops the bytes of a failed sync for good, although a later sync succeeds', async () => {
    const disk = new SimulatedDisk();
    const writer = await disk.create('a');
    await disk.syncFolder('.');
    await writer.write(bytes('lost'));
    disk.injectFault({ operation: 'sync', nth: 1, code: 'EIO' });
    await assert.rejects(writer.sync(), { code: 'EIO' });
    await writer.sync();
    assert.equal(await contentOf(disk, 'a'), 'lost');
    await writer.write(bytes('later'));
    await writer.sync();
    disk.crash();
    assert.equal(await contentOf(disk, 'a'), '\0\0\0\0later');
  });

  it('drops the names of a failed folder sync for good', async () => {
    const disk = new SimulatedDisk();
    await write(disk, 'a', 'a', { sync: true });
    disk.injectFault({ operation: 'syncFolder', nth: 1, code: 'EIO' });
    await assert.rejects(disk.syncFolder('.'), { code: 'EIO' });
    await disk.syncFolder('.');
    disk.crash();
    assert.deepEqual(await disk.list('.'), []);
  });

  it('fails the n-th of the operations asked for, once', async () => {
    const disk = new SimulatedDisk();
    disk.injectFault({ operation: 'create', nth: 2, code: 'EMFILE' });
    await disk.create('a');
    await assert.rejects(disk.create('b'), { code: 'EMFILE' });
    await disk.create('b');
  });

  it('is full at its capacity, after a part of the last write', async () => {
    const disk = new SimulatedDisk({ capacity: 10 });
    const writer = await disk.create('a');
    await writer.write(bytes('12345678'));
    assert.equal(await disk.freeBytes(), 2);
    await assert.rejects(writer.write(bytes('9abc')), { code: 'ENOSPC' });
    assert.equal(await contentOf(disk, 'a'), '123456789a');
  });

  it('refuses everything after a power cut until it crashed', async () => {
    const disk = new SimulatedDisk();
    disk.cutPowerBefore(2);
    await disk.makeFolder('a');
    await assert.rejects(disk.syncFolder('.'), DiskError);
    await assert.rejects(disk.list('.'), DiskError);
    disk.crash({ names: 'kept' });
    assert.deepEqual(await disk.list('.'), ['a']);
  });
});

async function write(disk: Disk, path: string, content: string, { sync }: { sync: boolean }) {
  const writer = await disk.create(path);
  await writer.write(bytes(content));
  if (sync) await writer.sync();
  return writer;
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  const reader = await disk.open(path);
  return new TextDecoder().decode(await reader.read(0, reader.size));
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
