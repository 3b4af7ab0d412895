import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Disk } from '@bora/server/storage/ports/disk';
import { DiskError } from '@bora/server/storage/ports/disk';

/** A disk under test; disposing removes it. Each call of `open` gives an empty one. */
export interface OpenedDisk extends AsyncDisposable {
  readonly disk: Disk;
}

/** What every disk must do while the power stays on; what survives a cut is tested by `power-cut` suites. */
export function registerDiskContract(name: string, open: () => Promise<OpenedDisk>): void {
  describe(`${name} keeps the disk contract`, () => {
    it('reads back what was written, before and after sync and close', async () => {
      await using opened = await open();
      const { disk } = opened;
      const writer = await disk.create('a');
      await writer.write(text('one '));
      assert.equal(await contentOf(disk, 'a'), 'one ');
      await writer.sync();
      await writer.write(text('two '));
      await writer.write(text(''));
      assert.equal(await contentOf(disk, 'a'), 'one two ');
      await writer.write(text('three'));
      await writer.sync();
      await writer.close();
      assert.equal(await contentOf(disk, 'a'), 'one two three');
      await disk.syncFolder('.');
      assert.equal(await contentOf(disk, 'a'), 'one two three');
    });

    it('writes go on after the name is synced', async () => {
      await using opened = await open();
      const { disk } = opened;
      const writer = await disk.create('a');
      await disk.syncFolder('.');
      await writer.write(text('late'));
      assert.equal(await contentOf(disk, 'a'), 'late');
      await writer.sync();
      await writer.close();
      assert.equal(await contentOf(disk, 'a'), 'late');
    });

    it('reads at a position, shorter only at the end', async () => {
      await using opened = await open();
      await write(opened.disk, 'a', '0123456789');
      const reader = await opened.disk.open('a');
      assert.equal(reader.size, 10);
      assert.equal(textOf(await reader.read(3, 4)), '3456');
      assert.equal(textOf(await reader.read(8, 100)), '89');
      assert.equal(textOf(await reader.read(10, 5)), '');
      assert.equal(textOf(await reader.read(0, 0)), '');
      await reader.close();
    });

    it('keeps the chunk it was given, whatever the caller does with it afterwards', async () => {
      await using opened = await open();
      const chunk = text('before');
      const writer = await opened.disk.create('a');
      await writer.write(chunk);
      chunk.fill(0);
      await writer.close();
      assert.equal(await contentOf(opened.disk, 'a'), 'before');
    });

    it('refuses to create what is there', async () => {
      await using opened = await open();
      await write(opened.disk, 'a', 'first');
      await assert.rejects(opened.disk.create('a'), failsWith('EEXIST'));
      await opened.disk.syncFolder('.');
      await assert.rejects(opened.disk.create('a'), failsWith('EEXIST'));
      assert.equal(await contentOf(opened.disk, 'a'), 'first');
    });

    it('says ENOENT for a file or a folder that is not there', async () => {
      await using opened = await open();
      const { disk } = opened;
      await assert.rejects(disk.open('gone'), failsWith('ENOENT'));
      await assert.rejects(disk.create('gone/a'), failsWith('ENOENT'));
      await assert.rejects(disk.rename('gone', 'b'), failsWith('ENOENT'));
      await assert.rejects(disk.list('gone'), failsWith('ENOENT'));
      await assert.rejects(disk.syncFolder('gone'), failsWith('ENOENT'));
    });

    it('renames over folders and replaces the target, at once', async () => {
      await using opened = await open();
      const { disk } = opened;
      await disk.makeFolder('deep/er');
      await write(disk, 'a', 'new');
      await write(disk, 'deep/er/b', 'old');
      await disk.rename('a', 'deep/er/b');
      assert.equal(await contentOf(disk, 'deep/er/b'), 'new');
      await assert.rejects(disk.open('a'), failsWith('ENOENT'));
      await disk.syncFolder('deep/er');
      await disk.syncFolder('.');
      assert.equal(await contentOf(disk, 'deep/er/b'), 'new');
      await assert.rejects(disk.open('a'), failsWith('ENOENT'));
    });

    it('renames what was synced under its old name, in any order of syncs', async () => {
      for (const order of [
        ['from', 'to'],
        ['to', 'from'],
      ]) {
        await using opened = await open();
        const { disk } = opened;
        await disk.makeFolder('from');
        await disk.makeFolder('to');
        await write(disk, 'from/a', 'kept');
        await disk.syncFolder('from');
        await disk.rename('from/a', 'to/b');
        for (const folder of order) await disk.syncFolder(folder);
        assert.equal(await contentOf(disk, 'to/b'), 'kept');
        assert.deepEqual(await disk.list('from'), []);
      }
    });

    it('renames back and forth within a folder', async () => {
      await using opened = await open();
      const { disk } = opened;
      await write(disk, 'a', 'first');
      await write(disk, 'b', 'second');
      await disk.syncFolder('.');
      await disk.rename('a', 'b');
      await disk.rename('b', 'a');
      await disk.rename('a', 'b');
      await disk.syncFolder('.');
      assert.equal(await contentOf(disk, 'b'), 'first');
      assert.deepEqual(await disk.list('.'), ['b']);
    });

    it('removes, and does not mind what is not there', async () => {
      await using opened = await open();
      const { disk } = opened;
      await write(disk, 'a', 'x');
      await disk.remove('a');
      await assert.rejects(disk.open('a'), failsWith('ENOENT'));
      await disk.remove('a');
      await write(disk, 'a', 'again');
      await disk.syncFolder('.');
      assert.equal(await contentOf(disk, 'a'), 'again');
      await disk.remove('a');
      await disk.syncFolder('.');
      assert.deepEqual(await disk.list('.'), []);
    });

    it('an open reader goes on after the file is removed', async () => {
      await using opened = await open();
      await write(opened.disk, 'a', 'still here');
      const reader = await opened.disk.open('a');
      await opened.disk.remove('a');
      assert.equal(textOf(await reader.read(0, 100)), 'still here');
      await reader.close();
    });

    it('makes folders with their parents, again and again', async () => {
      await using opened = await open();
      const { disk } = opened;
      await disk.makeFolder('x/y/z');
      await disk.makeFolder('x/y/z');
      await disk.makeFolder('x/other');
      await write(disk, 'x/file', '');
      assert.deepEqual((await disk.list('x')).toSorted(), ['file', 'other', 'y']);
      await disk.syncFolder('x');
      await disk.syncFolder('.');
      assert.deepEqual(await disk.list('.'), ['x']);
    });

    it('closes twice without complaint', async () => {
      await using opened = await open();
      const writer = await opened.disk.create('a');
      await writer.close();
      await writer.close();
      const reader = await opened.disk.open('a');
      await reader.close();
      await reader.close();
    });

    it('refuses paths that leave the folder', async () => {
      await using opened = await open();
      const { disk } = opened;
      for (const path of ['../a', '/etc/a', 'a/../../b', 'a/./b', 'a//b', 'a/', '', '..', 'a\0b', 'a\\b']) {
        await assert.rejects(disk.create(path), failsWith('EINVAL'), path);
        await assert.rejects(disk.open(path), failsWith('EINVAL'), path);
        await assert.rejects(disk.rename('a', path), failsWith('EINVAL'), path);
        await assert.rejects(disk.remove(path), failsWith('EINVAL'), path);
        await assert.rejects(disk.makeFolder(path), failsWith('EINVAL'), path);
        await assert.rejects(disk.list(path), failsWith('EINVAL'), path);
        await assert.rejects(disk.syncFolder(path), failsWith('EINVAL'), path);
      }
    });

    it('tells free space', async () => {
      await using opened = await open();
      const free = await opened.disk.freeBytes();
      assert.ok(Number.isSafeInteger(free) && free > 0);
    });
  });
}

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof DiskError && error.code === code;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

async function write(disk: Disk, path: string, content: string): Promise<void> {
  const writer = await disk.create(path);
  await writer.write(text(content));
  await writer.sync();
  await writer.close();
}

async function contentOf(disk: Disk, path: string): Promise<string> {
  const reader = await disk.open(path);
  try {
    return textOf(await reader.read(0, reader.size));
  } finally {
    await reader.close();
  }
}
