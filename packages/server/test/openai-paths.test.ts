import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import { createApiKey } from '../src/access/create-key.ts';
import { call, postJson, startApiServer, uploadLines } from './api-server.ts';
import type { Answer, ApiServer } from './api-server.ts';

const CHAT = '/v1/chat/completions';
const LINE = { custom_id: 'a', method: 'POST', url: CHAT, body: { model: 'm', messages: [] } };

let server: ApiServer;
let file: string;
let batch: string;
let upload: string;
before(async () => {
  server = await startApiServer();
  server.upstreams.models = ['m'];
  file = await uploadLines(server, [LINE]);
  const asked = { input_file_id: file, endpoint: CHAT, completion_window: '24h' };
  batch = (await postJson<OpenAiBatch>(server, '/v1/batches', asked)).body.id;
  const begun = { filename: 'in.jsonl', purpose: 'batch', bytes: 3, mime_type: 'application/jsonl' };
  upload = (await postJson<OpenAiUpload>(server, '/v1/uploads', begun)).body.id;
});
after(() => server?.[Symbol.asyncDispose]());

/** Each call of OpenAI's API behind `/v1`, and how it is answered when it has no body. */
function calls(): readonly (readonly [method: string, path: string, status: number])[] {
  return [
    ['GET', '/batches', 200],
    ['GET', '/batches?limit=1', 200],
    ['GET', `/batches/${batch}`, 200],
    ['POST', '/batches', 400],
    ['POST', `/batches/${batch}/cancel`, 200],
    ['GET', '/files?limit=1&order=asc', 200],
    ['GET', `/files/${file}`, 200],
    ['GET', `/files/${file}/content`, 200],
    ['POST', '/files', 415],
    ['POST', '/uploads', 400],
    ['POST', `/uploads/${upload}/parts`, 415],
    ['POST', `/uploads/${upload}/complete`, 400],
    ['GET', '/models', 200],
    ['GET', '/models/none', 404],
    ['POST', '/chat/completions', 422],
    ['POST', '/completions', 422],
    ['POST', '/embeddings', 422],
    ['POST', '/responses', 422],
    ['POST', '/moderations', 422],
    ['POST', '/images/generations', 422],
  ];
}

describe('every call of OpenAI works', () => {
  for (const prefix of ['/v1', '/v1/v1', '//v1', '/v1/', '/v1/v1/', '/v1//v1']) {
    test(`at an address that makes its path begin with ${prefix}`, async () => {
      for (const [method, path, status] of calls()) {
        const answer = await call(server, prefix + path, { method });
        assert.equal(answer.status, status, prefix + path);
        assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
      }
    });
  }

  test('with slashes doubled, as ellmer joins parts, or one behind the path', async () => {
    for (const [method, path, status] of calls()) {
      const [alone = '', ...query] = path.split(/(?=\?)/);
      for (const written of [alone.replaceAll('/', '//'), `${alone}/`]) {
        const url = `/v1${written}${query.join('')}`;
        assert.equal((await call(server, url, { method })).status, status, url);
      }
    }
  });

  for (const prefix of ['/openai', '/openai/v1', '/openai/deployments/m', '/openai/v1/deployments/m']) {
    test(`under ${prefix}, where Azure's clients look for it, in OpenAI's dialect whatever their key`, async () => {
      const version = 'api-version=2024-10-21';
      for (const headers of [{ 'api-key': 'any' }, { authorization: 'Bearer any' }]) {
        for (const [method, path, status] of calls()) {
          const url = `${prefix}${path}${path.includes('?') ? '&' : '?'}${version}`;
          const answer = await call<OpenAiErrorBody>(server, url, { method, headers });
          assert.equal(answer.status, status === 422 ? 400 : status, url);
          if (answer.status >= 400) openAiErrorBody.parse(answer.body);
        }
      }
    });
  }
});

test("what Azure's clients leave out of endpoint and url is put back", async () => {
  const input_file_id = await uploadLines(server, [{ ...LINE, url: '/chat/completions' }]);
  const asked = { input_file_id, endpoint: '/chat/completions', completion_window: '24h' };
  const { status, body } = await postJson<OpenAiBatch>(server, '/openai/batches?api-version=1', asked);
  assert.deepEqual([status, body.endpoint], [200, CHAT]);
});

test('a path without /v1 says so, in either dialect', async () => {
  for (const [method, path] of calls()) {
    for (const headers of [{}, { 'x-stainless-lang': 'js' }] as Record<string, string>[]) {
      const { status, body } = await call<OpenAiErrorBody>(server, path, { method, headers });
      assert.deepEqual([status, body.error.code], [404, 'unknown_url'], `${method} ${path}`);
      assert.equal(
        body.error.message,
        `Invalid URL (${method} ${path.split('?')[0]}). The path lacks /v1: this client wants a base URL that ends in /v1.`,
      );
    }
  }
});

test('a path that there is not is told so, with what there is', async () => {
  const headers = { 'x-stainless-lang': 'js' };
  const { status, body } = await call<OpenAiErrorBody>(server, '/v1/threads', { headers });
  assert.deepEqual([status, body.error.type], [404, 'invalid_request_error']);
  assert.match(body.error.message, /^Invalid URL \(GET \/v1\/threads\)\. Bora serves /);
});

test("clients that nothing tells find OpenAI's error beside Mistral's, but for Mistral's own calls", async () => {
  const none = '00000000-0000-4000-8000-000000000000';
  for (const [path, error] of [
    [`/v1/files/${none}`, { message: `No such File object: ${none}`, param: 'id', code: null }],
    [
      '/v1/models/none',
      { message: 'No upstream serves the model none.', param: null, code: 'model_not_found' },
    ],
    [`/v1/batch/jobs/${none}`, undefined],
  ] as const) {
    const { status, body } = await call(server, path);
    assert.equal(status, 404);
    assert.ok(body.detail.length > 0);
    assert.deepEqual(body.error, error && { ...error, type: 'invalid_request_error' }, path);
  }
});

test('they are told which line of a file is bad, where a file with bad lines is refused', async () => {
  const { status, body } = await postFile('{"custom_id":"a","body":{}}\n[]\n7\n', 'file1a2b3c');
  assert.equal(status, 422);
  assert.match(
    body.error.message,
    /^Invalid file format\. Line 2: The line is an array, but .* Found 2 errors in this file\. /,
  );
  const pdf = await postFile('%PDF', 'a.pdf');
  assert.match(pdf.body.error.message, /^Received file with mimetype application\/pdf, only /);
});

function postFile(content: string, name: string): Promise<Answer<OpenAiErrorBody>> {
  const body = new FormData();
  body.append('purpose', 'batch');
  body.append('file', new File([content], name));
  return call(server, '/v1/files', { method: 'POST', body });
}

test("files of purposes that only OpenAI's dialect knows are listed to whoever asks for them", async () => {
  for (const purpose of ['batch_output', 'assistants', 'vision', 'user_data', 'evals']) {
    const { status, body } = await call<{ data: OpenAiFile[] }>(server, `/v1/files?purpose=${purpose}`);
    assert.deepEqual([status, body.data], [200, []], purpose);
  }
});

test('without a key nothing is told, in words that clients know, and the key that was sent is not repeated', async () => {
  let ahead = 0;
  await using closed = await startApiServer({ ahead: () => ahead });
  await createApiKey(closed.database, { workspace: 'w', name: 'test' });
  ahead = 1_000;
  const key = 'sk-invalid-123456';
  for (const headers of [
    {},
    { authorization: `Bearer ${key}`, 'x-stainless-lang': 'js' },
    { 'api-key': key },
    { 'openai-organization': 'o' },
  ] as Record<string, string>[]) {
    for (const path of ['/v1/batches', '/v1/uploads', `/openai/files?api-version=1`]) {
      const { status, body } = await call<OpenAiErrorBody>(closed, path, { headers });
      assert.deepEqual(
        [status, body.error],
        [
          401,
          { message: 'Invalid API Key', type: 'invalid_request_error', param: null, code: 'invalid_api_key' },
        ],
      );
      assert.ok(!JSON.stringify(body).includes(key));
    }
  }
});
