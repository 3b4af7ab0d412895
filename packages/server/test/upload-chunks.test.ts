import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import { filePart, formOf, FORM_TYPE, textPart } from '@bora/testkit/hostile/form';
import { rawCall } from '@bora/testkit/hostile/raw-call';
import { LineIndexer } from '../src/files/line-index.ts';
import { readBlob } from '../src/files/read-blob.ts';
import { startApiServer } from './api-server.ts';
import type { ApiServer } from './api-server.ts';

const CHUNK_BYTES = [1, 2, 7, 63, 64, 1024, 4096, 16_384, 65_536];
const CHAT = '/v1/chat/completions';

/** Some 30 KB: lines of all lengths and of several bytes per letter, bad ones, blank ones, and what begins like the boundary, `\r\n--b`. */
const CONTENT = Buffer.from(
  Array.from({ length: 60 }, (_, at) => {
    if (at % 13 === 5) return '\r\n';
    if (at === 30) return 'no JSON\n--b\r\n--c\r\n-b--\r\r\n\r\n--\n';
    const messages = [{ role: 'user', content: '√∫ü'.repeat(at * 2) }];
    const line = { custom_id: `${at}`, method: 'POST', url: CHAT, body: { model: 'm', messages } };
    return `${JSON.stringify(line)}${at % 2 === 0 ? '\n' : '\r\n'}`;
  }).join(''),
);

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

describe('a file is taken byte for byte, and its lines are counted,', () => {
  for (const isPurposeFirst of [true, false]) {
    const order = isPurposeFirst ? 'behind its purpose' : 'before its purpose';
    for (const bytes of CHUNK_BYTES) {
      test(`${order}, in chunks of ${bytes} bytes`, () => isTaken(CONTENT, isPurposeFirst, bytes));
    }
    // At this length OpenAI's own parser lost its place (openai-ruby #748).
    test(`${order}, of 1,048,224 bytes`, () => isTaken(CONTENT, isPurposeFirst, 65_536, 1_048_224));
  }
});

/** Streams a form in HTTP chunks of so many bytes, and compares what was kept with what a look at the content alone tells. */
async function isTaken(
  start: Buffer,
  isPurposeFirst: boolean,
  chunkBytes: number,
  length = start.length,
): Promise<void> {
  const content = Buffer.concat([start, Buffer.alloc(length - start.length, 'x')]);
  const parts = [textPart('purpose', 'batch'), filePart(content)];
  const answer = await rawCall(
    server.url,
    streamed(formOf(isPurposeFirst ? parts : parts.toReversed()), chunkBytes),
  );
  assert.equal(answer?.status, 200, answer?.body);
  const { id, purpose, bytes, num_lines: lines, signature } = JSON.parse(answer.body) as OpenAiFile;

  const indexer = new LineIndexer();
  indexer.push(content);
  const { summary, cuts } = indexer.finish();
  assert.deepEqual(
    [purpose, bytes, lines, signature],
    ['batch', content.length, summary.requests, createHash('md5').update(content).digest('hex')],
  );
  const kept = await fetch(`${server.url}/v1/files/${id}/content`);
  assert.ok(content.equals(Buffer.from(await kept.arrayBuffer())));
  assert.deepEqual((await server.database.getFile(server.workspaceId, id, null))?.lineIndex, summary);
  const keptCuts = (await server.database.readCuts(id))!;
  assert.deepEqual(Buffer.from(await readBlob(server.blobs, keptCuts)), Buffer.from(cuts));
}

/** A call of OpenAI's SDK, which streams without a length. */
function streamed(form: Buffer, chunkBytes: number): Buffer {
  const head =
    'POST /v1/files HTTP/1.1\r\nhost: bora\r\nconnection: close\r\nx-stainless-lang: js\r\n' +
    `content-type: ${FORM_TYPE}\r\ntransfer-encoding: chunked\r\n\r\n`;
  const pieces: Uint8Array[] = [Buffer.from(head)];
  for (let at = 0; at < form.length; at += chunkBytes) {
    const chunk = form.subarray(at, at + chunkBytes);
    pieces.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...pieces, Buffer.from('0\r\n\r\n')]);
}
