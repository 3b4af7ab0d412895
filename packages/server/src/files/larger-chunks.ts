const ENOUGH_BYTES = 64 * 1024;

/**
 * The same bytes in chunks of at least 64 KiB, but for the last. Inline requests come one by one, about 1 KB each, and every
 * chunk costs a disk write and a message to the index thread. Large chunks pass as they are.
 */
export async function* inLargerChunks(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    if (bytes === 0 && chunk.byteLength >= ENOUGH_BYTES) {
      yield chunk;
      continue;
    }
    held.push(new Uint8Array(chunk));
    bytes += chunk.byteLength;
    if (bytes >= ENOUGH_BYTES) {
      yield Buffer.concat(held);
      held = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(held);
}
