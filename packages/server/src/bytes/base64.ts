const NOTHING = Buffer.alloc(0);

/** Bytes of the base64 text of so many bytes. */
export function base64Length(bytes: number): number {
  return Math.ceil(bytes / 3) * 4;
}

/** The base64 text of what streams in, chunk by chunk. */
export async function* base64Of(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = NOTHING;
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    // Three bytes are four letters; what is over waits for the next chunk, which may come in the same memory.
    const whole = bytes.length - (bytes.length % 3);
    rest = Uint8Array.from(bytes.subarray(whole));
    if (whole > 0) yield base64(bytes.subarray(0, whole));
  }
  if (rest.length > 0) yield base64(rest);
}

function base64(bytes: Uint8Array): Uint8Array {
  return Buffer.from(
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
    'latin1',
  );
}
