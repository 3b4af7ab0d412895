import assert from 'node:assert/strict';
import type { Target } from './fuzz.ts';
import { filePart, formOf, FORM_TYPE, textPart } from './form.ts';
import { tracesIn } from './traces.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const CHUNK_BYTES = MIB;

/** A file too large for a test, made as it is sent: its beginning, what is repeated up to so many bytes, its end. */
interface LargeUpload {
  readonly what: string;
  readonly start?: string;
  readonly repeated: string;
  readonly bytes: number;
  readonly end?: string;
  /** What is said of its first bad line; null if it is taken. */
  readonly refusal: RegExp | null;
}

export const LARGE_UPLOADS: readonly LargeUpload[] = [
  {
    what: 'one line of 512 MiB',
    start: '{"body":{"a":"',
    repeated: 'x',
    bytes: 512 * MIB,
    end: '"}}',
    refusal: /longer than 16 MiB/,
  },
  { what: 'one line of 5 GiB', repeated: 'x', bytes: 5 * GIB, refusal: /longer than 16 MiB/ },
  { what: '10,000,000 empty lines', repeated: '\n', bytes: 10_000_000, refusal: /has no requests/ },
  {
    what: '10,000,000 empty lines and a request',
    repeated: '\r\n',
    bytes: 20_000_000,
    end: '{"body":{}}',
    refusal: null,
  },
  { what: '512 MiB of spaces', repeated: ' ', bytes: 512 * MIB, refusal: /has no requests/ },
  { what: '10,000,000 bad lines', repeated: '{\n', bytes: 20_000_000, refusal: /not valid JSON/ },
  {
    what: 'a line of 16 MiB that opens only',
    start: '{"body":',
    repeated: '[',
    bytes: 16 * MIB - 100,
    refusal: /nests deeper than 1000/,
  },
  {
    what: 'lines of 15 MiB of keys',
    repeated: `{"body":{${'"a":1,'.repeat(2_500_000)}"b":2}}\n`,
    bytes: 20 * 15 * MIB,
    refusal: null,
  },
  {
    what: '100,000 lines that are 999 deep',
    repeated: `{"body":{"a":${'['.repeat(998)}${']'.repeat(998)}}}\n`,
    bytes: 200 * MIB,
    refusal: null,
  },
];

/** Uploads it. What is refused leaves nothing behind; what is taken is deleted again. */
export async function uploadLarge({ url, dataFolder }: Target, large: LargeUpload): Promise<void> {
  const before = tracesIn(dataFolder);
  const response = await fetch(`${url}/v1/files`, {
    method: 'POST',
    headers: { 'content-type': FORM_TYPE },
    body: ReadableStream.from(formAround(large)),
    duplex: 'half',
  });
  const body = (await response.json()) as { id: string; errors?: { message: string }[] };
  if (large.refusal === null) {
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(tracesIn(dataFolder).handles, 0);
    await fetch(`${url}/v1/files/${body.id}`, { method: 'DELETE' });
    return;
  }
  assert.equal(response.status, 422);
  assert.match(body.errors?.[0]?.message ?? '', large.refusal);
  assert.deepEqual(tracesIn(dataFolder), before);
}

async function* formAround({
  start = '',
  repeated,
  bytes,
  end = '',
}: LargeUpload): AsyncGenerator<Uint8Array> {
  const [head, tail] = formOf([textPart('purpose', 'batch'), filePart('CONTENT')])
    .toString()
    .split('CONTENT');
  yield Buffer.from(`${head}${start}`);
  const unit = Buffer.from(repeated);
  const chunk =
    unit.length > CHUNK_BYTES ? unit : Buffer.alloc(CHUNK_BYTES - (CHUNK_BYTES % unit.length), unit);
  let left = bytes - (bytes % unit.length);
  // Of what repeats in whole lines only whole ones are sent.
  for (; left >= chunk.length; left -= chunk.length) yield chunk;
  yield chunk.subarray(0, left - (left % unit.length));
  yield Buffer.from(`${end}${tail}`);
}
