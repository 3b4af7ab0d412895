const ENOUGH_BYTES = 64 * 1024;

/**
 * The same bytes in chunks of at least 64 KiB, but for the last. Inline requests come one by one, about 1 KB each, and every
 * chunk costs a disk write and a message to the index thread. Large chunks pass as they are. A chunk holds until the next is asked for.
 *
 * Small ones are copied into one place: kept as they come, byte by byte from a client that means harm, they would take 200 times their
 * length.
 */
export async function* inLargerChunks(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const held = Buffer.allocUnsafe(2 * ENOUGH_BYTES);
  let bytes = 0;
  for await (const chunk of source) {
    const isLarge = chunk.byteLength >= ENOUGH_BYTES;
    if (!isLarge) {
      held.set(chunk, bytes);
      bytes += chunk.byteLength;
    }
    if (bytes >= ENOUGH_BYTES || (isLarge && bytes > 0)) {
      yield held.subarray(0, bytes);
      bytes = 0;
    }
    if (isLarge) yield chunk;
  }
  if (bytes > 0) yield held.subarray(0, bytes);
}
