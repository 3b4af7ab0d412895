import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import * as fc from 'fast-check';
import { FileContentMissing, readFileRange } from '../src/files/content.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import type { ManifestPart } from '../src/storage/ports/blob-names.ts';
import type { BlobRef, BlobStore } from '../src/storage/ports/blobs.ts';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';

const PART = fc.record({
  kind: fc.constantFrom('inline', 'object'),
  bytes: fc.uint8Array({ maxLength: 30 }),
  /** Bytes of the same object that belong to others. */
  before: fc.nat(5),
});

describe('reading a range of a file', () => {
  it('gives the bytes of the parts, whatever they are and however the manifest is paged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(PART, { maxLength: 12 }),
        fc.nat(400),
        fc.nat(400),
        fc.integer({ min: 1, max: 5 }),
        async (parts, a, b, pageSize) => {
          const { blobs, manifest, content } = await store(parts);
          const [start, end] = [Math.min(a, b, content.length), Math.min(Math.max(a, b), content.length)];
          const database = pagedManifest(manifest, pageSize);
          assert.deepEqual(
            await collect(readFileRange({ database, blobs }, 'file', start, end)),
            content.subarray(start, end),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('says so when the manifest ends early', async () => {
    const { blobs, manifest } = await store([{ kind: 'inline', bytes: Buffer.from('abc'), before: 0 }]);
    const deps = { database: pagedManifest(manifest, 10), blobs };
    await assert.rejects(collect(readFileRange(deps, 'file', 0, 4)), FileContentMissing);
    await assert.rejects(
      collect(readFileRange({ ...deps, database: pagedManifest([], 10) }, 'file', 0, 1)),
      FileContentMissing,
    );
  });

  it('says so when the bytes are gone', async () => {
    const { blobs, manifest } = await store([{ kind: 'object', bytes: Buffer.from('abc'), before: 0 }]);
    await blobs.remove('part-0');
    const reading = collect(readFileRange({ database: pagedManifest(manifest, 10), blobs }, 'file', 0, 3));
    await assert.rejects(reading, BlobMissingError);
  });

  it('stops at the signal, between inline parts too', async () => {
    const part = { kind: 'inline', bytes: Buffer.from('abc'), before: 0 };
    const { blobs, manifest } = await store([part, part, part]);
    const controller = new AbortController();
    const reason = new Error('enough');
    const read: Uint8Array[] = [];
    const deps = { database: pagedManifest(manifest, 10), blobs };
    await assert.rejects(async () => {
      for await (const chunk of readFileRange(deps, 'file', 0, 9, controller.signal)) {
        read.push(chunk);
        controller.abort(reason);
      }
    }, reason);
    assert.equal(read.length, 1);
  });
});

interface Part {
  readonly kind: string;
  readonly bytes: Uint8Array;
  readonly before: number;
}

async function store(parts: readonly Part[]): Promise<{
  blobs: BlobStore;
  manifest: ManifestPart[];
  content: Buffer;
}> {
  const blobs = await openDiskBlobStore(new SimulatedDisk());
  const manifest: ManifestPart[] = [];
  let start = 0;
  for (const [at, { kind, bytes, before }] of parts.entries()) {
    let blob: BlobRef = { kind: 'inline', bytes };
    if (kind === 'object') {
      const writer = await blobs.create(`part-${at}`);
      await writer.write(new Uint8Array(before).fill(255));
      await writer.write(bytes);
      await writer.write(new Uint8Array(3).fill(254));
      const { name, checksum } = await writer.finish();
      blob = { kind: 'object', name, checksum, offset: before, length: bytes.byteLength };
    }
    manifest.push({ start, length: bytes.byteLength, blob });
    start += bytes.byteLength;
  }
  return { blobs, manifest, content: Buffer.concat(parts.map(({ bytes }) => bytes)) };
}

function pagedManifest(manifest: readonly ManifestPart[], pageSize: number) {
  return {
    readManifest: async (_fileId: string, offset: number, maxParts: number): Promise<ManifestPart[]> =>
      manifest.filter(({ start, length }) => start + length > offset).slice(0, Math.min(pageSize, maxParts)),
  };
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const collected: Uint8Array[] = [];
  for await (const chunk of chunks) collected.push(chunk);
  return Buffer.concat(collected);
}
