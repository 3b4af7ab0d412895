import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import type { BoraError } from '@bora/client/bora-error';
import { collect } from './collect.ts';
import { sampleJob } from './sample-job.ts';
import { steppingClock } from './stepping-clock.ts';
import { answerJson, tinyServer } from './tiny-server.ts';
import type { TinyServer } from './tiny-server.ts';

const CONTENT = Buffer.from(Array.from({ length: 1_000 }, (_, index) => `line ${index}\n`).join(''));

interface Flaky extends TinyServer {
  /** The `Range` of each call; null without. */
  readonly ranges: (string | null)[];
}

/** A file whose download breaks after each so many bytes: `steps` of them, then it is whole. */
async function flakyFile(
  steps: readonly number[],
  headers: Readonly<Record<string, string>> = { etag: '"e"' },
): Promise<Flaky> {
  const ranges: (string | null)[] = [];
  const server = await tinyServer((request, response) => {
    const step = steps[ranges.length];
    ranges.push(request.headers.range ?? null);
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const rest = CONTENT.subarray(from);
    response.writeHead(from === 0 ? 200 : 206, {
      ...headers,
      'content-length': rest.length,
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}` }),
    });
    if (step === undefined) response.end(rest);
    else response.write(rest.subarray(0, step), () => response.destroy());
  });
  return { ...server, ranges, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function read(client: BoraClient): Promise<Buffer> {
  return Buffer.from(await new Response(await client.files.content('f')).arrayBuffer());
}

function clientOf({ url }: TinyServer, maxRetries = 2): BoraClient {
  return new BoraClient({ baseUrl: url, clock: steppingClock(), maxRetries });
}

test('a download that breaks goes on where it was, as long as bytes come between', async () => {
  await using server = await flakyFile([100, 200, 300, 400]);
  assert.deepEqual(await read(clientOf(server)), CONTENT);
  assert.deepEqual(server.ranges, [null, 'bytes=100-', 'bytes=300-', 'bytes=600-', 'bytes=1000-']);
});

test('a download that only breaks is given up with a BoraError', async () => {
  await using server = await flakyFile([100, 0, 0, 0, 0]);
  await assert.rejects(read(clientOf(server)), { name: 'BoraError', code: 'no_answer' });
  assert.equal(server.ranges.length, 3);
  await using other = await flakyFile([100]);
  await assert.rejects(read(clientOf(other, 0)), { name: 'BoraError', code: 'no_answer' });
  assert.equal(other.ranges.length, 1);
});

test('where nothing says that the bytes are still the same, a break ends the download', async () => {
  const answers: readonly Record<string, string>[] = [{}, { etag: 'W/"e"' }];
  for (const headers of answers) {
    await using server = await flakyFile([100], headers);
    await assert.rejects(read(clientOf(server)), { code: 'no_answer' });
    assert.equal(server.ranges.length, 1);
  }
});

test('a server that answers the whole file for its rest ends the download', async () => {
  let calls = 0;
  await using server = await tinyServer((_request, response) => {
    calls += 1;
    response.writeHead(200, { etag: '"e"', 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 100), () => response.destroy());
  });
  await assert.rejects(read(clientOf(server)), { code: 'no_answer' });
  assert.equal(calls, 2);
});

test('a download of which only the end is lost is whole', async () => {
  await using server = await tinyServer((request, response) => {
    if (request.headers.range !== undefined) return answerJson(response, { detail: 'No such range.' }, 416);
    response.writeHead(200, { etag: '"e"', 'transfer-encoding': 'chunked' });
    response.write(CONTENT, () => response.destroy());
  });
  assert.deepEqual(await read(clientOf(server)), CONTENT);
});

test('results are read through breaks of the connection', async () => {
  const lines = Array.from(
    { length: 50 },
    (_, index) =>
      `{"id":"batch-11111111-22222222-${index}","custom_id":"${index}","response":{"status_code":200,"body":{}},"error":null}\n`,
  ).join('');
  let calls = 0;
  await using server = await tinyServer((request, response) => {
    calls += 1;
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from === 0 ? 200 : 206, {
      etag: '"e"',
      'content-length': lines.length - from,
      ...(from === 0 ? {} : { 'content-range': `bytes ${from}-` }),
    });
    response.write(lines.slice(from, from + 1_000), () => response.destroy());
  });
  const { jobs } = clientOf(server);
  const outcomes = await collect(jobs.results(sampleJob({ status: 'SUCCESS', output_file: 'f' })));
  assert.deepEqual(
    outcomes.map(({ customId }) => customId),
    Array.from({ length: 50 }, (_, index) => String(index)),
  );
  assert.ok(calls > 4, String(calls));
});

test('an abort ends a download with its reason', async () => {
  const controller = new AbortController();
  await using server = await tinyServer((_request, response) => {
    response.writeHead(200, { etag: '"e"', 'content-length': 10 });
    response.write('01234');
  });
  const stream = await clientOf(server).files.content('f', controller.signal);
  const reader = stream.getReader();
  await reader.read();
  controller.abort(new Error('enough'));
  await assert.rejects(reader.read(), /^Error: enough$/);
});

test('what the source of an upload throws is what is thrown, not that the connection broke', async () => {
  await using server = await tinyServer((request) => void request.resume());
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new RangeError('the generator gave up');
  }
  await assert.rejects(clientOf(server).files.upload(failing()), /^RangeError: the generator gave up$/);
});

test('an upload tells how far it is, from whatever source', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bora-client-'));
  await using server = await tinyServer(async (request, response) => {
    await request.resume().toArray();
    answerJson(response, { id: 'f' });
  });
  try {
    const path = join(folder, 'in.jsonl');
    await writeFile(path, CONTENT);
    const blob = new Blob([CONTENT]);
    for (const source of [{ path }, blob, CONTENT, blob.stream()]) {
      const seen: number[] = [];
      await clientOf(server).files.upload(source, { onProgress: (bytes) => seen.push(bytes) });
      assert.equal(seen.at(-1), CONTENT.length);
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      );
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an upload whose answer is lost says so', async () => {
  await using server = await tinyServer((request, response) => {
    request.resume().on('end', () => response.destroy());
  });
  await assert.rejects(
    clientOf(server).files.upload(CONTENT),
    (error: BoraError) => error.code === 'no_answer',
  );
});
