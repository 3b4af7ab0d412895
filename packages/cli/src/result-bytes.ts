import type { RawResultLine } from '@bora/client/result-lines';

const LINE_BREAK = Uint8Array.of(0x0a);

/** Result lines with their line breaks, as the server holds them. */
export async function* resultBytes(
  lines: AsyncIterable<RawResultLine>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const { bytes } of lines) {
    yield bytes;
    yield LINE_BREAK;
  }
}
