import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openSystemDisk } from '@bora/server/storage/disk/system-disk';
import type { Disk } from '@bora/server/storage/ports/disk';
import { makeTemporaryFolder } from '../src/temporary-folder.ts';
import { openVolatileDisk } from '../src/volatile-disk.ts';

/** A process killed with this disk open is one that never speaks to it again: a second disk on the folder sees what it left. */
describe('what the volatile disk leaves behind', () => {
  it('nothing of what was not synced', async () => {
    await using folder = await makeTemporaryFolder();
    const disk = await openDisk(folder.path);
    await write(disk, 'without-folder-sync', 'x', { sync: true });
    const restarted = await openDisk(folder.path);
    assert.deepEqual(await restarted.list('.'), []);
  });

  it('an empty file where only the folder was synced, a short one where writes followed the sync', async () => {
    await using folder = await makeTemporaryFolder();
    const disk = await openDisk(folder.path);
    await write(disk, 'empty', 'x', { sync: false });
    const writer = await write(disk, 'short', 'synced', { sync: true });
    await disk.syncFolder('.');
    await writer.write(bytes(' not synced'));
    assert.equal(await contentOf(disk, 'short'), 'synced not synced');
    const restarted = await openDisk(folder.path);
    assert.equal(await contentOf(restarted, 'empty'), '');
    assert.equal(await contentOf(restarted, 'short'), 'synced');
  });

  it('old names where renames and removals were not synced', async () => {
    await using folder = await makeTemporaryFolder();
    const before = await openDisk(folder.path);
    await before.makeFolder('to');
    for (const name of ['moved', 'gone']) await write(before, name, name, { sync: true });
    await before.syncFolder('.');
    const disk = await openDisk(folder.path);
    await disk.rename('moved', 'to/moved');
    await disk.remove('gone');
    assert.deepEqual(await disk.list('.'), ['to']);
    const restarted = await openDisk(folder.path);
    assert.deepEqual((await restarted.list('.')).toSorted(), ['gone', 'moved', 'to']);
  });

  it('new names where they were', async () => {
    await using folder = await makeTemporaryFolder();
    const disk = await openDisk(folder.path);
    await disk.makeFolder('to');
    await write(disk, 'a', 'whole', { sync: true });
    await disk.rename('a', 'to/b');
    await disk.syncFolder('to');
    const restarted = await openDisk(folder.path);
    assert.deepEqual(await restarted.list('.'), ['to']);
    assert.equal(await contentOf(restarted, 'to/b'), 'whole');
  });
});

async function openDisk(path: string): Promise<Disk> {
  return openVolatileDisk(await openSystemDisk(path));
}

async function write(disk: Disk, path: string, content: string, { sync }: { sync: boolean }) {
  const writer = await disk.create(path);
  await writer.write(bytes(content));
  if (sync) await writer.sync();
  return writer;
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  const reader = await disk.open(path);
  const content = await reader.read(0, reader.size);
  await reader.close();
  return new TextDecoder().decode(content);
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
