/**
 * More than lies in the database and than is indexed in place (64 KiB each), so that nothing of a large file is held until it is known
 * whether it is small; and not written through a buffer of the blob writer's.
 */
const CHUNK_BYTES = 72 * 1024;

/**
 * The same bytes in chunks of 72 KiB, or more where they come so, but for the last. Inline requests come one by one, about 1 KB each, and
 * every chunk costs a disk write and a message to the index thread. A chunk holds until the next is asked for.
 *
 * Small ones are copied into one place: kept as they come, byte by byte from a client that means harm, they would take 200 times their
 * length. The place is no larger, because each upload under way has one.
 */
export async function* inLargerChunks(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const held = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let bytes = 0;
  for await (const chunk of source) {
    let rest = chunk;
    while (bytes + rest.byteLength >= CHUNK_BYTES) {
      const isLarge = bytes === 0;
      const taken = isLarge ? rest.byteLength : CHUNK_BYTES - bytes;
      if (!isLarge) held.set(rest.subarray(0, taken), bytes);
      yield isLarge ? rest : held;
      rest = rest.subarray(taken);
      bytes = 0;
    }
    held.set(rest, bytes);
    bytes += rest.byteLength;
  }
  if (bytes > 0) yield held.subarray(0, bytes);
}
