import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import type { BoraError } from '@bora/client/bora-error';
import { collect } from './collect.ts';
import { sampleJob } from './sample-job.ts';
import { answerJson, tinyServer } from './tiny-server.ts';

async function bodyOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString('utf8');
}

test('every kind of source is uploaded as the same multipart form', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bora-client-'));
  const forms: FormData[] = [];
  await using server = await tinyServer(async (request, response) => {
    const body = await bodyOf(request);
    forms.push(
      await new Response(body, {
        headers: { 'content-type': request.headers['content-type'] ?? '' },
      }).formData(),
    );
    answerJson(response, { id: 'f' });
  });
  try {
    const { files } = new BoraClient({ baseUrl: server.url });
    const bytes = new TextEncoder().encode('{"body":{}}\n');
    await writeFile(join(folder, 'in.jsonl'), bytes);
    const options = { purpose: 'batch', expiry: 3 } as const;
    await files.upload({ path: join(folder, 'in.jsonl') }, options);
    await files.upload(new File([bytes], 'in.jsonl'), options);
    await files.upload(bytes, { ...options, filename: 'in.jsonl' });
    await files.upload(new Blob([bytes]).stream(), { ...options, filename: 'in.jsonl' });
    await files.upload(asyncChunks(bytes), { ...options, filename: 'in.jsonl' });
  } finally {
    await rm(folder, { recursive: true });
  }
  assert.equal(forms.length, 5);
  for (const form of forms) {
    const file = form.get('file') as File;
    assert.equal(file.name, 'in.jsonl');
    assert.equal(await file.text(), '{"body":{}}\n');
    assert.equal(form.get('purpose'), 'batch');
    assert.equal(form.get('expiry'), '3');
  }
});

test('an upload is not kept in memory while it is sent', async () => {
  const MiB = 2 ** 20;
  let most = 0;
  async function* freshBytes(): AsyncGenerator<Uint8Array> {
    for (let sent = 0; sent < 256; sent += 1) {
      yield Buffer.alloc(MiB, 120);
      most = Math.max(most, process.memoryUsage().arrayBuffers);
    }
  }
  await using server = await tinyServer(async (request, response) => {
    await once(request.resume(), 'end');
    answerJson(response, { id: 'f' });
  });
  await new BoraClient({ baseUrl: server.url }).files.upload(freshBytes());
  assert.ok(most < 128 * MiB, `${most} bytes were held at once`);
});

async function* asyncChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const byte of bytes) yield Uint8Array.of(byte);
}

test('filters go out as the dialect wants them: lists repeated, metadata as parameters of their own', async () => {
  const seen: string[] = [];
  await using server = await tinyServer((request, response) => {
    seen.push(request.url ?? '');
    answerJson(response, { data: [], object: 'list', total: 0 });
  });
  const client = new BoraClient({ baseUrl: `${server.url}/v1/` });
  await client.jobs.list({
    status: ['RUNNING', 'QUEUED'],
    metadata: { team: 'a b' },
    created_after: new Date(0),
    page: 2,
  });
  await client.files.list({ sample_type: ['batch_request', 'batch_result'], include_total: false });
  assert.deepEqual(seen, [
    '/v1/batch/jobs?team=a+b&status=RUNNING&status=QUEUED&created_after=1970-01-01T00%3A00%3A00.000Z&page=2',
    '/v1/files?sample_type=batch_request&sample_type=batch_result&include_total=false',
  ]);
});

test('listing all goes through the pages and gives an item that moved on only once', async () => {
  const pages = [['c', 'b'], ['b', 'a'], ['a']];
  await using server = await tinyServer((request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page'));
    answerJson(response, { data: pages[page].map((id) => sampleJob({ id })), object: 'list', total: 3 });
  });
  const { jobs } = new BoraClient({ baseUrl: server.url });
  const listed = await collect(jobs.listAll({ page_size: 2 }));
  assert.deepEqual(
    listed.map((job) => job.id),
    ['c', 'b', 'a'],
  );
});

test('an API key goes out as a bearer token', async () => {
  await using server = await tinyServer((request, response) => {
    answerJson(response, { id: request.headers.authorization, deleted: true });
  });
  const { files } = new BoraClient({ baseUrl: server.url, apiKey: 'k-1' });
  assert.equal((await files.delete('x')).id, 'Bearer k-1');
});

test('a refused upload names the lines', async () => {
  await using server = await tinyServer((_request, response) => {
    const errors = [4, 9, 11, 12, 13, 20].map((line_number) => ({ message: 'not JSON', line_number }));
    answerJson(response, { detail: 'Invalid file format.', errors, bora: { code: 'file.bad-lines' } }, 422, {
      'x-request-id': 'r-7',
    });
  });
  const { files } = new BoraClient({ baseUrl: server.url });
  await assert.rejects(files.upload(Uint8Array.of(1)), (error: BoraError) => {
    assert.equal(error.status, 422);
    assert.equal(error.code, 'file.bad-lines');
    assert.equal(error.requestId, 'r-7');
    assert.equal(error.transient, false);
    assert.match(error.message, /Invalid file format\. Line 4: not JSON .*Line 13: not JSON \(and 1 more\)/);
    return true;
  });
});

test('a malformed request names each member', async () => {
  await using server = await tinyServer((_request, response) => {
    const detail = [{ loc: ['body', 'timeout_hours'], msg: 'must be at most 168', type: 'less_than_equal' }];
    answerJson(response, { detail }, 422);
  });
  const { jobs } = new BoraClient({ baseUrl: server.url });
  await assert.rejects(
    jobs.create({ endpoint: '/v1/embeddings' }),
    /body\.timeout_hours: must be at most 168/,
  );
});

test('a missing key is answered with how to get one', async () => {
  await using server = await tinyServer((_request, response) => {
    answerJson(response, { detail: 'Invalid API Key' }, 401);
  });
  await assert.rejects(new BoraClient({ baseUrl: server.url }).jobs.get('x'), /bora keys create/);
});

test('a server that is not there is said in words, with the address', async () => {
  const server = await tinyServer(() => {});
  await server[Symbol.asyncDispose]();
  await assert.rejects(new BoraClient({ baseUrl: server.url }).jobs.get('x'), (error: BoraError) => {
    assert.equal(error.status, null);
    assert.equal(error.transient, true);
    assert.match(error.message, /ECONNREFUSED/);
    assert.ok(error.message.includes(server.url));
    return true;
  });
});

test('an abort rejects with its own reason, not as a lost connection', async () => {
  const controller = new AbortController();
  await using server = await tinyServer(() => controller.abort(new Error('enough')));
  const { jobs } = new BoraClient({ baseUrl: server.url });
  await assert.rejects(jobs.get('x', {}, controller.signal), /^Error: enough$/);
});
