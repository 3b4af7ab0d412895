import type { BlobSlice, BlobStore } from '../storage/ports/blobs.ts';

/** Reads a blob whole. For the small ones (cuts of a line index: 12 bytes per 16 requests). */
export async function readBlob(
  blobs: Pick<BlobStore, 'read'>,
  blob: BlobSlice,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  if (blob.kind === 'inline') return blob.bytes;
  const chunks: Uint8Array[] = [];
  for await (const chunk of blobs.read(blob.name, blob.offset, blob.offset + blob.length, signal))
    chunks.push(chunk);
  return Buffer.concat(chunks);
}
