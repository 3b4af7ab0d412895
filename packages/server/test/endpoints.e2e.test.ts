import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import * as shapes from '@mistralai/mistralai/models/components';
import type { BatchJob } from '@mistralai/mistralai/models/components';
import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

type Shape = (json: string) => { readonly ok: boolean; readonly error?: unknown };

/** For each endpoint the example that runs on it, a model of its own, and what the official SDK demands of its answers. */
const CASES: Readonly<Record<BatchEndpoint, readonly [example: string, model: string, shape: Shape]>> = {
  '/v1/chat/completions': ['chat-tools', 'small', shapes.chatCompletionResponseFromJSON],
  '/v1/fim/completions': ['fim', 'code', shapes.fimCompletionResponseFromJSON],
  '/v1/embeddings': ['embeddings', 'embed', shapes.embeddingResponseFromJSON],
  '/v1/moderations': ['moderations', 'moderate', shapes.moderationResponseFromJSON],
  '/v1/chat/moderations': ['chat-moderations', 'moderate', shapes.moderationResponseFromJSON],
  '/v1/classifications': ['classifications', 'classify', shapes.classificationResponseFromJSON],
  '/v1/chat/classifications': ['chat-classifications', 'classify', shapes.classificationResponseFromJSON],
  '/v1/ocr': ['ocr', 'ocr', shapes.ocrResponseFromJSON],
  '/v1/conversations': ['conversations', 'small', shapes.conversationResponseFromJSON],
  '/v1/audio/transcriptions': ['transcriptions', 'voice', shapes.transcriptionResponseFromJSON],
};

interface RequestLine {
  readonly custom_id: string;
  readonly body: Readonly<Record<string, unknown>>;
}
interface ResultLine {
  readonly custom_id: string;
  readonly response: { readonly status_code: number; readonly body: Readonly<Record<string, unknown>> };
}

let whole: WholeBora;
let mistral: Mistral;
before(async () => {
  const models = [...new Set(Object.values(CASES).map(([, model]) => model))];
  // As a form the sound would have to be fetched, which no test can do.
  whole = await startWholeBora({ simulator: { models }, upstream: { transcriptions: 'json' } });
  mistral = new Mistral({ apiKey: 'any', serverURL: whole.url });
});
after(() => whole[Symbol.asyncDispose]());

function example(name: string): Promise<string> {
  return readFile(new URL(`../../../examples/${name}.jsonl`, import.meta.url), 'utf8');
}

function parseLines<Line>(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

async function ended(jobId: string): Promise<BatchJob> {
  await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
  return mistral.batch.jobs.get({ jobId });
}

for (const endpoint of BATCH_ENDPOINTS) {
  const [name, model, shape] = CASES[endpoint];

  function assertAnswered(rows: readonly ResultLine[], requests: readonly RequestLine[]): void {
    assert.deepEqual(
      rows.map((row) => [row.custom_id, row.response.status_code]),
      requests.map((request) => [request.custom_id, 200]),
    );
    for (const { response } of rows) {
      const { ok, error } = shape(JSON.stringify(response.body));
      assert.ok(ok, String(error));
      if (endpoint !== '/v1/conversations') assert.equal(response.body['model'], model);
    }
  }

  test(`${endpoint}: the example runs as a file, its model on the job`, async () => {
    const text = await example(name);
    const file = await mistral.files.upload({
      file: { fileName: `${name}.jsonl`, content: Buffer.from(text) },
      purpose: 'batch',
    });
    const { id } = await mistral.batch.jobs.create({ inputFiles: [file.id], endpoint, model });
    const job = await ended(id);
    const requests = parseLines<RequestLine>(text);
    assert.deepEqual(
      [job.status, job.endpoint, job.model, job.succeededRequests, job.errorFile],
      ['SUCCESS', endpoint, model, requests.length, null],
    );
    const output = await new Response(await mistral.files.download({ fileId: job.outputFile! })).text();
    assertAnswered(parseLines<ResultLine>(output), requests);
  });

  test(`${endpoint}: the example runs inline, its model in each body`, async () => {
    const requests = parseLines<RequestLine>(await example(name));
    const { id } = await mistral.batch.jobs.create({
      requests: requests.map(({ custom_id, body }) => ({ customId: custom_id, body: { ...body, model } })),
      endpoint,
    });
    const job = await ended(id);
    assert.deepEqual([job.status, job.model], ['SUCCESS', model]);
    assertAnswered(job.outputs as unknown as ResultLine[], requests);
  });
}

test('one job asks several models of an endpoint, each line its own', async () => {
  const { id } = await mistral.batch.jobs.create({
    requests: ['moderate', 'classify'].map((model) => ({ customId: model, body: { model, input: 'Hello' } })),
    endpoint: '/v1/moderations',
  });
  const job = await ended(id);
  assert.equal(job.model, 'mixed');
  assert.deepEqual(
    (job.outputs as unknown as ResultLine[]).map((row) => row.response.body['model']),
    ['moderate', 'classify'],
  );
});

test('a job for an endpoint that its upstream lacks waits and says so, and fails no line', async () => {
  await using own = await startWholeBora({ simulator: { endpoints: ['/v1/chat/completions'] } });
  const { id } = await own.client.jobs.create({
    requests: [{ body: { document: { document_url: 'https://example.com/a.pdf' } } }],
    endpoint: '/v1/ocr',
    model: 'simulated-chat',
  });
  const waits = new AbortController();
  const reached = own.client.jobs.waitUntilComplete(id, {
    intervalMs: 20,
    signal: waits.signal,
    onProgress: ({ bora }) => {
      if (/does not serve \/v1\/ocr since/.test(bora?.waiting?.join() ?? '')) waits.abort();
    },
  });
  await assert.rejects(reached, { name: 'AbortError' });
  const job = await own.client.jobs.get(id);
  assert.deepEqual([job.status, job.completed_requests], ['RUNNING', 0]);
});

test('tools, formats and files in messages reach the upstream byte for byte, and nothing but the model is put in', async () => {
  await using upstream = await startScriptedUpstream(['small'], () => chatAnswer('small', 'ok'));
  await using own = await startWholeBora({ upstreams: [upstream.url] });
  const odd =
    '{ "messages":[], "response_format" : {"type":"json_schema","json_schema":{"schema":{"minimum":1.0, "maximum":1e2,"type":"integer","type":"number"}}},\t' +
    '"tools":[ {"type":"function","function":{"name":"\\u0061\\/b","parameters":{}}} ],"tool_choice":null,"seed":12345678901234567890 }';
  const bodies = [
    ...(await example('chat-tools'))
      .trimEnd()
      .split('\n')
      .map((line) => /"body": (.*)\}$/.exec(line)![1]),
    odd,
    '{"messages":[{"role":"user","content":[{"type":"file","file_id":"00000000-0000-4000-8000-000000000000"}]}]}',
  ];
  const file = await own.client.files.upload(
    new File([bodies.map((body) => `{"body": ${body}}\n`).join('')], 'in.jsonl'),
  );
  const { id } = await own.client.jobs.create({
    input_files: [file.id],
    endpoint: '/v1/chat/completions',
    model: 'small',
  });
  await own.client.jobs.waitUntilComplete(id, { intervalMs: 20 });
  assert.deepEqual(
    upstream.requests.map(({ text }) => text).toSorted(),
    bodies.map((body) => body.replace(/^\{ ?/, '$&"model":"small",')).toSorted(),
  );
});
