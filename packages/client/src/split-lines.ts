const LINE_BREAK = 0x0a;

/**
 * The lines of a byte stream without their line breaks, one in memory at a time. A last line without line break counts, an empty end does
 * not. Stopping early cancels the stream.
 */
export async function* splitLines(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  let ended = false;
  let pending: Uint8Array[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let from = 0;
      for (let at = value.indexOf(LINE_BREAK); at >= 0; at = value.indexOf(LINE_BREAK, from)) {
        yield join([...pending, value.subarray(from, at)]);
        pending = [];
        from = at + 1;
      }
      if (from < value.length) pending.push(value.subarray(from));
    }
    ended = true;
    if (pending.length > 0) yield join(pending);
  } finally {
    if (!ended) await reader.cancel().catch(() => {});
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
