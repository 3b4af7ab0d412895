import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { BlobNamePool } from '../src/files/blob-names.ts';
import { readBlob } from '../src/files/read-blob.ts';
import { BlobOutput } from '../src/files/write-blob.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import { BlobMissingError, INLINE_BLOB_BYTES } from '../src/storage/ports/blobs.ts';

describe('a pool of blob names', () => {
  it('reserves many at a time and never gives one twice', async () => {
    const table = new NameTable();
    const pool = new BlobNamePool(table, 'session');
    const names = await Promise.all(Array.from({ length: 500 }, () => pool.take()));
    assert.equal(new Set(names).size, 500);
    assert.ok(table.reservations <= 9, `${table.reservations} reservations for 500 names`);
  });

  it('refills before it is empty, so that a taker seldom waits', async () => {
    const table = new NameTable();
    const pool = new BlobNamePool(table, 'session');
    await pool.take();
    table.hold();
    for (let at = 0; at < 63; at += 1) await pool.take();
    assert.equal(table.reservations, 2);
    const waiting = pool.take();
    table.letGo();
    await waiting;
  });

  it('tells the taker when no name can be had, and tries again for the next', async () => {
    const table = new NameTable();
    table.failures = 1;
    const pool = new BlobNamePool(table, 'session');
    await assert.rejects(pool.take(), /the database went away/);
    assert.ok(await pool.take());
  });

  it('keeps in mind what it could not release', async () => {
    const table = new NameTable();
    const pool = new BlobNamePool(table, 'session');
    table.failures = 1;
    await pool.release(['a', 'b']);
    assert.deepEqual(table.released, []);
    await pool.release(['c']);
    assert.deepEqual(table.released, ['a', 'b', 'c']);
  });
});

describe('bytes of unknown size', () => {
  it('are nothing, inline, or an object, by how many they are', async () => {
    for (const [sizes, kind] of [
      [[], null],
      [[0, 0], null],
      [[1], 'inline'],
      [[INLINE_BLOB_BYTES], 'inline'],
      [[INLINE_BLOB_BYTES - 1, 1], 'inline'],
      [[INLINE_BLOB_BYTES, 1], 'object'],
      [[1, INLINE_BLOB_BYTES], 'object'],
      [[INLINE_BLOB_BYTES + 1], 'object'],
      [[30_000, 30_000, 30_000, 300_000, 5], 'object'],
    ] as const) {
      const { blobs, output } = await openOutput();
      const pieces = sizes.map((size, at) => new Uint8Array(size).fill(at + 1));
      for (const piece of pieces) await output.write(piece);
      const blob = await output.finish();
      assert.equal(blob?.kind ?? null, kind);
      if (blob !== null) assert.ok(Buffer.concat(pieces).equals(await readBlob(blobs, blob)));
    }
  });

  it('may be overwritten by the caller once they are taken', async () => {
    const { blobs, output } = await openOutput();
    const chunk = new Uint8Array(10).fill(7);
    await output.write(chunk);
    chunk.fill(0);
    const blob = await output.finish();
    assert.deepEqual(Buffer.from(await readBlob(blobs, blob!)), Buffer.alloc(10, 7));
  });

  it('leave no object and no name when abandoned, even after finish', async () => {
    for (const finished of [false, true]) {
      const { blobs, table, disk, output } = await openOutput();
      await output.write(new Uint8Array(INLINE_BLOB_BYTES + 1));
      const { name } = output;
      if (finished) await output.finish();
      await output.abandon();
      assert.deepEqual(table.released, [name]);
      assert.deepEqual(await disk.list('writing'), []);
      if (!finished)
        await assert.rejects(
          readBlob(blobs, { kind: 'object', name: name!, offset: 0, length: 1, checksum: '' }),
          BlobMissingError,
        );
    }
  });

  it('release the name when the disk refuses them', async () => {
    for (const operation of ['create', 'write', 'sync'] as const) {
      const { table, disk, output } = await openOutput();
      disk.injectFault({ operation, nth: 1, code: 'ENOSPC' });
      await assert.rejects(
        async () => {
          await output.write(new Uint8Array(300_000));
          await output.finish();
        },
        { code: 'ENOSPC' },
      );
      await output.abandon();
      assert.equal(table.released.length, 1);
    }
  });
});

async function openOutput() {
  const disk = new SimulatedDisk();
  const blobs = await openDiskBlobStore(disk);
  const table = new NameTable();
  const names = new BlobNamePool(table, 'session');
  return { disk, blobs, table, output: new BlobOutput({ blobs, names }) };
}

/** The names of a database. */
class NameTable {
  reservations = 0;
  failures = 0;
  readonly released: string[] = [];
  #held: PromiseWithResolvers<void> | null = null;

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  letGo(): void {
    this.#held?.resolve();
  }

  async reserveBlobs(_session: string, count: number): Promise<string[]> {
    const reservation = this.reservations;
    this.reservations += 1;
    await this.#held?.promise;
    this.#mayFail();
    return Array.from({ length: count }, (_, at) => `name-${reservation}-${at}`);
  }

  async releaseBlobs(_session: string, names: readonly string[]): Promise<void> {
    this.#mayFail();
    this.released.push(...names);
  }

  #mayFail(): void {
    if (this.failures === 0) return;
    this.failures -= 1;
    throw new Error('the database went away');
  }
}
