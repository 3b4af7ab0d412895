import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { FilePurpose } from '@bora/protocol/mistral-files';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedRequest, ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora, WholeBoraOptions } from '@bora/testkit/whole-bora';
import { createApiKey } from '../src/access/create-key.ts';
import { systemClock } from '../src/observe/clock.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';
import { startFileServer } from './file-server.ts';

const OCR = '/v1/ocr';
const SPEECH = '/v1/audio/transcriptions';
const TIMEOUT = { timeout: 20_000 };
/** More than a chunk, and no multiple of three. */
const SOUND = randomBytes(600_001);

interface World extends AsyncDisposable {
  readonly whole: WholeBora;
  readonly upstream: ScriptedUpstream;
  upload(bytes: Uint8Array, filename: string, purpose: FilePurpose): Promise<string>;
  run(endpoint: BatchEndpoint, ...bodies: Record<string, unknown>[]): Promise<BatchJob>;
}

/** A Bora over one upstream that takes everything, or does as `answer` says. */
async function open(
  upstreamSettings: Readonly<Record<string, unknown>> = {},
  options: WholeBoraOptions = {},
  answer: (request: ScriptedRequest) => Promise<void> = async () => {},
): Promise<World> {
  await using opening = new AsyncDisposableStack();
  const upstream = opening.use(
    await startScriptedUpstream(['m'], async (request) => {
      await answer(request);
      return { body: { text: 'ok' } };
    }),
  );
  const whole = opening.use(
    await startWholeBora({ ...options, upstream: { url: upstream.url, ...upstreamSettings } }),
  );
  const opened = opening.move();
  return {
    whole,
    upstream,
    upload: async (bytes, filename, purpose) =>
      (await whole.client.files.upload(new Blob([new Uint8Array(bytes)]), { filename, purpose })).id,
    run: async (endpoint, ...bodies) => {
      const requests = bodies.map((body, at) => ({ custom_id: String(at), body }));
      const { id } = await whole.client.jobs.create({ endpoint, model: 'm', requests });
      await whole.client.jobs.waitUntilComplete(id, { intervalMs: 10 });
      return whole.client.jobs.get(id);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function formOf({ bytes, headers }: ScriptedRequest): Promise<FormData> {
  return new Response(bytes, { headers: { 'content-type': headers['content-type']! } }).formData();
}

function codesOf(job: BatchJob): unknown[] {
  return (job.outputs as unknown as { response: { body: string | object } }[]).map(({ response }) =>
    typeof response.body === 'string' ? (JSON.parse(response.body) as { code: string }).code : 'ok',
  );
}

test('a document goes to the upstream as a data URL, and a link as it is', TIMEOUT, async () => {
  await using world = await open();
  const scan = await world.upload(SOUND, 'scan.pdf', 'ocr');
  const photo = await world.upload(Buffer.from('png'), 'photo.png', 'ocr');
  const link = { type: 'document_url', document_url: 'https://example.com/a.pdf' };
  const job = await world.run(
    OCR,
    { document: { type: 'file', file_id: scan }, pages: [0] },
    { document: { file_id: photo } },
    { document: link },
  );
  assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 3, 0]);
  const sent = world.upstream.requests.map(({ text }) => text);
  const data = `data:application/pdf;base64,${SOUND.toString('base64')}`;
  assert.deepEqual(
    sent.toSorted(),
    [
      `{"model":"m","document":{"image_url":"data:image/png;base64,${Buffer.from('png').toString('base64')}"}}`,
      `{"model":"m","document":${JSON.stringify(link)}}`,
      `{"model":"m","document":{"type":"document_url","document_url":"${data}"},"pages":[0]}`,
    ].toSorted(),
  );
  assert.ok(
    world.upstream.requests.every(({ headers, bytes }) => headers['content-length'] === String(bytes.length)),
  );
});

test('sound goes as a form, unless the upstream takes JSON', TIMEOUT, async () => {
  await using asForm = await open();
  const body = (file_id: string): Record<string, unknown> => ({
    file_id,
    language: 'de',
    timestamp_granularities: ['word'],
    temperature: 0,
  });
  const sound = await asForm.upload(SOUND, 'Gespräch.mp3', 'audio');
  assert.equal((await asForm.run(SPEECH, body(sound))).succeeded_requests, 1);
  const [{ headers, bytes }] = asForm.upstream.requests;
  assert.equal(headers['content-length'], String(bytes.length));
  const form = await formOf(asForm.upstream.requests[0]);
  const { file, ...fields } = Object.fromEntries(form);
  assert.deepEqual(fields, {
    model: 'm',
    language: 'de',
    'timestamp_granularities[]': 'word',
    temperature: '0',
  });
  assert.deepEqual([(file as File).name, (file as File).type], ['Gespräch.mp3', 'audio/mpeg']);
  assert.deepEqual(Buffer.from(await (file as File).arrayBuffer()), SOUND);

  await using asJson = await open({ transcriptions: 'json' });
  const again = await asJson.upload(SOUND, 'a.wav', 'audio');
  const link = { file_url: 'http://127.0.0.1/never-fetched.wav' };
  assert.equal((await asJson.run(SPEECH, body(again), link)).succeeded_requests, 2);
  const url = `data:audio/wav;base64,${SOUND.toString('base64')}`;
  assert.deepEqual(
    asJson.upstream.requests
      .map((request) => request.body)
      .toSorted((a, b) => Object.keys(b).length - Object.keys(a).length),
    [
      { model: 'm', file_url: url, language: 'de', timestamp_granularities: ['word'], temperature: 0 },
      { model: 'm', ...link },
    ],
  );
});

test(
  'an upstream that reaches Bora gets a link, which works after a deletion while the job runs',
  TIMEOUT,
  async () => {
    const mayFetch = Promise.withResolvers<void>();
    const fetched: string[] = [];
    await using world = await open(
      { documents: 'url' },
      { env: { BORA_PUBLIC_URL: 'http://bora.example/base' } },
      async ({ body }) => {
        await mayFetch.promise;
        const { document_url: link } = body['document'] as { document_url: string };
        const reached = link.replace('http://bora.example/base', world.whole.url);
        fetched.push(await (await fetch(reached)).text());
      },
    );
    const scan = await world.upload(Buffer.from('%PDF'), 'scan.pdf', 'ocr');
    const running = world.run(OCR, { document: { type: 'file', file_id: scan } });
    await world.upstream.received(1);
    await world.whole.client.files.delete(scan);
    await assert.rejects(world.whole.client.files.retrieve(scan), { status: 404 });
    mayFetch.resolve();
    assert.equal((await running).succeeded_requests, 1);
    assert.deepEqual(fetched, ['%PDF']);
    const { document_url: link } = world.upstream.requests[0].body['document'] as { document_url: string };
    const tampered = new URL(link.replace('http://bora.example/base', world.whole.url));
    tampered.searchParams.delete('batch');
    assert.equal((await fetch(tampered)).status, 403);
  },
);

test(
  'a file that is deleted while its job runs is hidden at once and goes out all the same',
  TIMEOUT,
  async () => {
    const mayAnswer = Promise.withResolvers<void>();
    await using world = await open({ max_in_flight: 1 }, {}, () => mayAnswer.promise);
    const sounds = [
      await world.upload(SOUND, 'a.wav', 'audio'),
      await world.upload(Buffer.from('second'), 'b.wav', 'audio'),
    ];
    const running = world.run(SPEECH, ...sounds.map((file_id) => ({ file_id })));
    await world.upstream.received(1);
    for (const id of sounds) await world.whole.client.files.delete(id);
    assert.equal((await world.whole.client.files.list({ purpose: 'audio' })).total, 0);
    mayAnswer.resolve();
    assert.equal((await running).succeeded_requests, 2);
    assert.match(world.upstream.requests[1].text, /\r\nsecond\r\n/);
    await assert.rejects(world.run(SPEECH, { file_id: sounds[0] }), { code: 'named_file_not_found' });
  },
);

test(
  'a link is fetched where it may be, with redirects, and refused with a reason of its own where not',
  TIMEOUT,
  async () => {
    await using files = await startFileServer((path, reply) => {
      if (path === '/there') reply.writeHead(302, { location: '/a%20b.mp3?x=1' }).end();
      else if (path === '/inside') reply.writeHead(302, { location: 'http://inside.example/' }).end();
      else if (path === '/large') reply.writeHead(200).write(Buffer.alloc(2000), () => reply.end());
      else if (path === '/missing') reply.writeHead(404).end();
      else reply.writeHead(200, { 'content-type': 'audio/mpeg; q=1' }).end('sound');
    });
    const hosts: Readonly<Record<string, string>> = {
      'files.example': '127.0.0.1',
      'inside.example': '10.0.0.1',
    };
    await using world = await open(
      {},
      {
        env: { BORA_FETCH_ALLOW: '127.0.0.1', BORA_FETCH_MAX_BYTES: '1000' },
        overrides: { resolve: async (host) => [{ address: hosts[host], family: 4 }] },
      },
    );
    const at = (path: string): Record<string, unknown> => ({
      file_url: `http://files.example:${files.port}${path}`,
    });
    const job = await world.run(
      SPEECH,
      at('/there'),
      at('/large'),
      at('/missing'),
      at('/inside'),
      { file_url: 'http://inside.example/' },
      { file_url: 'http://169.254.169.254/latest/meta-data/' },
      { file_url: 'file:///etc/passwd' },
      { file_url: 7 },
    );
    assert.deepEqual(codesOf(job), [
      'ok',
      'file_url_too_large',
      'file_url_status',
      'file_url_address',
      'file_url_address',
      'file_url_address',
      'file_url_invalid',
      'invalid_line',
    ]);
    assert.equal(world.upstream.requests.length, 1, 'nothing else came through to its end');
    const form = await formOf(world.upstream.requests[0]);
    const file = form.get('file') as File;
    assert.deepEqual([file.name, file.type, await file.text()], ['a b.mp3', 'audio/mpeg', 'sound']);
    assert.ok(files.asked.every((asked) => asked.startsWith('files.example/')));
  },
);

test('the simulator takes the form that a real server takes', TIMEOUT, async () => {
  await using whole = await startWholeBora({ simulator: { models: ['voice'] } });
  const sound = await whole.client.files.upload(new Blob([SOUND]), { filename: 'a.wav', purpose: 'audio' });
  const { id } = await whole.client.jobs.create({
    endpoint: SPEECH,
    model: 'voice',
    requests: [{ body: { file_id: sound.id, language: 'fr', diarize: true } }],
  });
  await whole.client.jobs.waitUntilComplete(id, { intervalMs: 10 });
  const { outputs } = await whole.client.jobs.get(id);
  const [{ response }] = outputs as unknown as { response: { body: Record<string, unknown> } }[];
  const { language, usage } = response.body as { language: string; usage: Record<string, number> };
  assert.deepEqual([language, usage['prompt_audio_seconds']], ['fr', Math.ceil(SOUND.length / 32_000)]);
});

test("another workspace's file cannot be named, in a file or inline", TIMEOUT, async () => {
  await using folder = await makeTemporaryFolder();
  const [mine, theirs] = await keysOf(folder.path, ['mine', 'theirs']);
  await using world = await open({}, { dataFolder: folder.path });
  const [me, them] = [world.whole.clientWith(mine), world.whole.clientWith(theirs)];
  const { id: sound } = await them.files.upload(new Blob([SOUND]), { filename: 'a.wav', purpose: 'audio' });
  const line = { body: { file_id: sound } };
  const input = await me.files.upload(new Blob([JSON.stringify(line)]));
  const job = { endpoint: SPEECH, model: 'm' } as const;
  const refused = { status: 422, code: 'named_file_not_found' };
  await assert.rejects(me.jobs.create({ ...job, input_files: [input.id] }), refused);
  await assert.rejects(me.jobs.create({ ...job, requests: [line] }), refused);
  assert.equal((await me.files.list()).total, 1, 'the inline requests left no file');
  const { id } = await them.jobs.create({ ...job, requests: [line] });
  assert.equal((await them.jobs.waitUntilComplete(id, { intervalMs: 10 })).succeeded_requests, 1);
  assert.equal(world.upstream.requests.length, 1);
});

async function keysOf(folder: string, workspaces: readonly string[]): Promise<string[]> {
  await using database = await openSqliteDatabase({ folder, clock: systemClock });
  const keys: string[] = [];
  for (const workspace of workspaces)
    keys.push((await createApiKey(database, { workspace, name: 'test' })).key);
  return keys;
}
