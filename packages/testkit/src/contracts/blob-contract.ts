import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import type { BlobStore, FinishedBlob } from '@bora/server/storage/ports/blobs';
import { BlobMissingError } from '@bora/server/storage/ports/blobs';

/** A blob store under test; disposing removes it. Each call of `open` gives an empty one. */
export interface OpenedBlobStore extends AsyncDisposable {
  readonly blobs: BlobStore;
}

const KIB = 1024;

/** What every blob store must do while the power stays on. */
export function registerBlobStoreContract(name: string, open: () => Promise<OpenedBlobStore>): void {
  describe(`${name} keeps the blob store contract`, () => {
    it('gives back what was written, in pieces of any size', async () => {
      await using opened = await open();
      for (const sizes of [[], [0], [1], [5, 0, 3], [256 * KIB], [256 * KIB - 1, 1, 1], [700 * KIB, 10]]) {
        const pieces = sizes.map((size, at) => pattern(size, at));
        const blob = await write(opened.blobs, `sizes-${sizes.join('-')}`, pieces);
        const whole = Buffer.concat(pieces);
        assert.equal(blob.length, whole.byteLength);
        assert.equal(blob.checksum, crc32(whole).toString(16).padStart(8, '0'));
        assertSame(await readAll(opened.blobs, blob.name, 0, blob.length), whole);
      }
    });

    it('reads any range in bounded chunks', async () => {
      await using opened = await open();
      const bytes = pattern(600 * KIB, 1);
      await write(opened.blobs, 'ranged', [bytes]);
      for (const [start, end] of [
        [0, 0],
        [0, 1],
        [5, 300 * KIB],
        [599 * KIB, 600 * KIB],
        [600 * KIB, 600 * KIB],
      ] as const) {
        const chunks = await collect(opened.blobs.read('ranged', start, end));
        assert.ok(chunks.every((chunk) => chunk.byteLength > 0 && chunk.byteLength <= 256 * KIB));
        assertSame(Buffer.concat(chunks), bytes.subarray(start, end));
      }
    });

    it('keeps the chunk it was given once the write settled', async () => {
      await using opened = await open();
      const writer = await opened.blobs.create('reused');
      const chunk = pattern(300 * KIB, 3);
      const small = pattern(10, 4);
      const expected = Buffer.concat([chunk, small]);
      await writer.write(chunk);
      chunk.fill(0);
      await writer.write(small);
      small.fill(0);
      const { length } = await writer.finish();
      assertSame(await readAll(opened.blobs, 'reused', 0, length), expected);
    });

    it('shows nothing before finish', async () => {
      await using opened = await open();
      const writer = await opened.blobs.create('unfinished');
      await writer.write(pattern(300 * KIB, 1));
      await assert.rejects(readAll(opened.blobs, 'unfinished', 0, 1), BlobMissingError);
      await writer.abandon();
    });

    it('says that bytes are missing: no object, or one that is too short', async () => {
      await using opened = await open();
      await write(opened.blobs, 'short', [pattern(10, 1)]);
      await assert.rejects(readAll(opened.blobs, 'nowhere', 0, 1), BlobMissingError);
      await assert.rejects(readAll(opened.blobs, 'nowhere', 0, 0), BlobMissingError);
      await assert.rejects(readAll(opened.blobs, 'short', 0, 11), BlobMissingError);
    });

    it('abandons without a trace, as often as asked', async () => {
      await using opened = await open();
      const writer = await opened.blobs.create('abandoned');
      await writer.write(pattern(300 * KIB, 1));
      await writer.abandon();
      await writer.abandon();
      await assert.rejects(writer.write(pattern(1, 1)));
      await assert.rejects(writer.finish());
      await assert.rejects(readAll(opened.blobs, 'abandoned', 0, 1), BlobMissingError);
    });

    it('abandon during a write or a finish leaves no object', async () => {
      await using opened = await open();
      for (const during of ['write', 'finish'] as const) {
        const writer = await opened.blobs.create(`stopped-${during}`);
        await writer.write(pattern(100 * KIB, 1));
        const under = during === 'write' ? writer.write(pattern(400 * KIB, 2)) : writer.finish();
        await Promise.allSettled([under, writer.abandon()]);
        await assert.rejects(writer.finish());
        await assert.rejects(readAll(opened.blobs, `stopped-${during}`, 0, 1), BlobMissingError);
      }
    });

    it('abandon after finish changes nothing', async () => {
      await using opened = await open();
      const writer = await opened.blobs.create('kept');
      await writer.write(pattern(10, 1));
      await writer.finish();
      await writer.abandon();
      assert.equal((await readAll(opened.blobs, 'kept', 0, 10)).byteLength, 10);
    });

    it('removes, twice if asked, and what never was', async () => {
      await using opened = await open();
      await write(opened.blobs, 'removed', [pattern(10, 1)]);
      await opened.blobs.remove('removed');
      await opened.blobs.remove('removed');
      await opened.blobs.remove('never-written');
      await assert.rejects(readAll(opened.blobs, 'removed', 0, 1), BlobMissingError);
    });

    it('a writer whose name was removed meanwhile cannot bring it back unnoticed', async () => {
      await using opened = await open();
      const writer = await opened.blobs.create('slow');
      await writer.write(pattern(10, 1));
      await opened.blobs.remove('slow');
      // Stores may refuse the finish or publish the bytes, which the second removal then takes away.
      await Promise.allSettled([writer.finish()]);
      await opened.blobs.remove('slow');
      await assert.rejects(readAll(opened.blobs, 'slow', 0, 1), BlobMissingError);
    });

    it('stops reading early, by leaving the loop or by signal', async () => {
      await using opened = await open();
      await write(opened.blobs, 'long', [pattern(900 * KIB, 1)]);
      for await (const chunk of opened.blobs.read('long', 0, 900 * KIB)) {
        assert.ok(chunk.byteLength > 0);
        break;
      }
      const controller = new AbortController();
      const reason = new Error('no more');
      const reading = (async () => {
        for await (const chunk of opened.blobs.read('long', 0, 900 * KIB, controller.signal)) {
          assert.ok(chunk.byteLength < 900 * KIB);
          controller.abort(reason);
        }
      })();
      await assert.rejects(reading, reason);
      await assert.rejects(readAll(opened.blobs, 'long', 0, 1, AbortSignal.abort(reason)), reason);
    });

    it('keeps many writers and readers apart', async () => {
      await using opened = await open();
      await Promise.all(
        Array.from({ length: 40 }, async (_, at) => {
          const bytes = pattern(at * 10 * KIB, at);
          await write(opened.blobs, `many-${at}`, [bytes.subarray(0, at), bytes.subarray(at)]);
          assertSame(await readAll(opened.blobs, `many-${at}`, 0, bytes.byteLength), bytes);
        }),
      );
    });

    it('tells free space, or that it has no such notion', async () => {
      await using opened = await open();
      const free = await opened.blobs.freeBytes();
      assert.ok(free === null || (Number.isSafeInteger(free) && free > 0));
    });
  });
}

/** Not `deepEqual`: its report on large buffers that differ takes minutes. */
function assertSame(actual: Uint8Array, expected: Uint8Array): void {
  assert.ok(Buffer.compare(actual, expected) === 0, 'the bytes differ from those written');
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (at * 31 + seed * 17 + (at >> 8)) & 0xff);
}

async function write(blobs: BlobStore, name: string, pieces: readonly Uint8Array[]): Promise<FinishedBlob> {
  const writer = await blobs.create(name);
  for (const piece of pieces) await writer.write(piece);
  return writer.finish();
}

async function readAll(
  blobs: BlobStore,
  name: string,
  start: number,
  end: number,
  signal?: AbortSignal,
): Promise<Buffer> {
  return Buffer.concat(await collect(blobs.read(name, start, end, signal)));
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return collected;
}
