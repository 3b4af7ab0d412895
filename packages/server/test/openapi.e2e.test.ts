import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import diagnosticsChannel from 'node:diagnostics_channel';
import { after, before, test } from 'node:test';
import type { z } from 'zod';
import { openApiDocument } from '@bora/protocol/openapi';
import { errorBody } from '@bora/protocol/mistral-errors';
import { openAiErrorBody } from '@bora/protocol/openai-errors';
import { OPERATIONS } from '@bora/protocol/operations';
import type { Operation } from '@bora/protocol/operations';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import type { FastifyInstance, RouteOptions } from 'fastify';

const CHAT = '/v1/chat/completions';
const LINE = JSON.stringify({
  custom_id: 'a',
  method: 'POST',
  url: CHAT,
  body: { model: 'simulated-chat', messages: [{ role: 'user', content: 'hello' }] },
});

const routes: string[] = [];
const scopes = new Map<string, unknown>();
let whole: WholeBora;
let called: Set<Operation>;

before(async () => {
  diagnosticsChannel.subscribe('fastify.initialization', noteRoutes);
  whole = await startWholeBora();
  diagnosticsChannel.unsubscribe('fastify.initialization', noteRoutes);
  called = new Set();
});
after(() => whole[Symbol.asyncDispose]());

function noteRoutes(message: unknown): void {
  (message as { fastify: FastifyInstance }).fastify.addHook(
    'onRoute',
    ({ method, url, config }: RouteOptions) => {
      for (const each of [method].flat()) {
        if (each === 'HEAD' || each === 'OPTIONS') continue;
        const route = `${each} ${url.replaceAll(/:(\w+)/g, '{$1}').replace('models/*', 'models/{model}')}`;
        routes.push(route);
        scopes.set(route, (config as { access: string }).access);
      }
    },
  );
}

/** Calls an operation by its place in the table, and holds the answer to what the table says. */
async function call(
  method: Operation['method'],
  path: string,
  options: {
    readonly ids?: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly query?: string;
    readonly openAi?: boolean;
  } = {},
): Promise<Record<string, unknown>> {
  const operation = OPERATIONS.find((one) => one.method === method && one.path === path);
  assert.ok(operation !== undefined, `${method} ${path} is not described`);
  called.add(operation);
  const { ids = {}, body, query = '', openAi = false } = options;
  const isForm = body instanceof FormData;
  const response = await fetch(
    `${whole.url}${path.replaceAll(/\{(\w+)\}/g, (_, name: string) => ids[name])}${query}`,
    {
      method,
      headers: {
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
        ...(openAi ? { 'x-stainless-lang': 'js' } : {}),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    },
  );
  const text = await response.text();
  assert.equal(response.status, 200, `${method} ${path}: ${text}`);
  const { answer } = operation;
  const type = response.headers.get('content-type')?.split(';')[0];
  if (answer.kind === 'bytes') {
    assert.equal(type, answer.type, `${method} ${path}`);
    return type === 'application/json' ? (JSON.parse(text) as Record<string, unknown>) : {};
  }
  assert.equal(type, 'application/json');
  const value = JSON.parse(text) as Record<string, unknown>;
  assert.ok(
    answer.kind === 'json' && fits(answer.schema, value),
    `${method} ${path} answers another shape: ${text}`,
  );
  return value;
}

/** Also that there is nothing in it of which the schema says nothing. */
function fits(schema: z.ZodType, value: unknown): boolean {
  const parsed = schema.safeParse(value);
  if (!parsed.success) return false;
  try {
    assert.deepEqual(parsed.data, value);
    return true;
  } catch {
    return false;
  }
}

function upload(purpose = 'batch'): FormData {
  const form = new FormData();
  form.append('purpose', purpose);
  form.append('file', new Blob([`${LINE}\n`]), 'requests.jsonl');
  return form;
}

test('each route is described, with the scope that it needs, and nothing else is', () => {
  const described = OPERATIONS.map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(new Set(described), new Set(routes));
  assert.equal(described.length, new Set(described).size);
  for (const { method, path, scope } of OPERATIONS) {
    const access = scopes.get(`${method} ${path}`);
    assert.equal(scope ?? 'public', access === 'signed' ? 'read' : access, `${method} ${path}`);
  }
});

test('what the handlers really answer has the shapes that are described, and nothing beside', async () => {
  const { id: file_id } = (await call('POST', '/v1/files', { body: upload() })) as { id: string };
  await call('POST', '/v1/files', { body: upload(), openAi: true });
  await call('GET', '/v1/files');
  await call('GET', '/v1/files/{file_id}', { ids: { file_id } });
  await call('GET', '/v1/files/{file_id}', { ids: { file_id }, openAi: true });
  await call('GET', '/v1/files/{file_id}/content', { ids: { file_id } });
  await call('GET', '/v1/files/{file_id}/url', { ids: { file_id } });

  const begun = { filename: 'in.jsonl', purpose: 'batch', bytes: 3, mime_type: 'application/jsonl' };
  const { id: upload_id } = (await call('POST', '/v1/uploads', { body: begun })) as { id: string };
  const data = new FormData();
  data.append('data', new Blob(['{}\n']));
  const part = await call('POST', '/v1/uploads/{upload_id}/parts', { ids: { upload_id }, body: data });
  const order = { part_ids: [part['id']] };
  await call('POST', '/v1/uploads/{upload_id}/complete', { ids: { upload_id }, body: order });
  const { id: other } = (await call('POST', '/v1/uploads', { body: begun })) as { id: string };
  await call('POST', '/v1/uploads/{upload_id}/cancel', { ids: { upload_id: other } });

  const job = { endpoint: CHAT, model: 'simulated-chat', input_files: [file_id], metadata: { a: 'b' } };
  const { id: job_id } = (await call('POST', '/v1/batch/jobs', { body: job })) as { id: string };
  await whole.client.jobs.waitUntilComplete(job_id, { intervalMs: 20 });
  await call('GET', '/v1/batch/jobs/{job_id}', { ids: { job_id }, query: '?inline=true' });
  await call('GET', '/v1/batch/jobs/{job_id}/results', { ids: { job_id } });
  const batch = { input_file_id: file_id, endpoint: CHAT, completion_window: '24h' };
  const { id: batch_id } = (await call('POST', '/v1/batches', { body: batch })) as { id: string };
  await call('POST', '/v1/batches/{batch_id}/cancel', { ids: { batch_id } });
  await call('GET', '/v1/batches/{batch_id}', { ids: { batch_id } });
  await call('GET', '/v1/batches/{batch_id}/results', { ids: { batch_id }, query: '?kind=error' });
  await call('GET', '/v1/batches');
  await call('GET', '/v1/batch/jobs');
  await call('POST', '/v1/batch/jobs/{job_id}/cancel', { ids: { job_id } });
  await call('DELETE', '/v1/batch/jobs/{job_id}', { ids: { job_id } });
  await call('DELETE', '/v1/files/{file_id}', { ids: { file_id } });

  const models = (await call('GET', '/v1/models')) as { data: { id: string }[] };
  await call('GET', '/v1/models/{model}', { ids: { model: models.data[0].id } });
  await call('POST', CHAT, { body: { model: 'simulated-chat', messages: [{ role: 'user', content: 'x' }] } });

  const { id: workspace } = (await call('POST', '/bora/v1/workspaces', { body: { name: 'garden' } })) as {
    id: string;
  };
  await call('GET', '/bora/v1/workspaces');
  await call('PATCH', '/bora/v1/workspaces/{workspace}', { ids: { workspace }, body: { weight: 2 } });
  await call('GET', '/bora/v1/workspaces/{workspace}', { ids: { workspace } });
  await call('GET', '/bora/v1/audit');
  const { data: listed } = (await call('GET', '/bora/v1/upstreams')) as { data: { name: string }[] };
  const ids = { upstream: listed[0].name };
  await call('POST', '/bora/v1/upstreams/{upstream}/pause', { ids, body: { reason: 'moving' } });
  await call('POST', '/bora/v1/upstreams/{upstream}/resume', { ids });
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/reference'])
    await call('GET', path);
  await call('GET', '/bora/v1/keys');

  const tried = new Set([...called].map(({ method, path }) => `${method} ${path}`));
  const KEYS = ['POST /bora/v1/keys', 'DELETE /bora/v1/keys/{key_id}'];
  const untried = OPERATIONS.filter(
    ({ method, path, group }) => !tried.has(`${method} ${path}`) && group !== 'Single calls',
  );
  assert.deepEqual(
    untried.map(({ method, path }) => `${method} ${path}`),
    KEYS,
  );
});

test('an Idempotency-Key is described for each create that takes one', async () => {
  const inParts = { filename: 'in.jsonl', purpose: 'batch', bytes: 3, mime_type: 'application/jsonl' };
  const batch = { endpoint: CHAT, completion_window: '24h', input_file_id: randomUUID() };
  const form = new FormData();
  form.append('file', new Blob(['x']), 'x.txt');
  const creates: Readonly<Record<string, unknown>> = {
    '/v1/files': form,
    '/v1/uploads': inParts,
    '/v1/batch/jobs': { endpoint: CHAT, model: 'simulated-chat', input_files: [randomUUID()] },
    '/v1/batches': batch,
  };
  const described = OPERATIONS.filter(({ takesKey }) => takesKey === true).map(({ path }) => path);
  assert.deepEqual(described, Object.keys(creates));
  const { paths } = openApiDocument('1.2.3') as {
    paths: Record<string, { post: { parameters?: { name: string; in: string }[] } }>;
  };
  for (const [path, body] of Object.entries(creates)) {
    const refused = await fetch(`${whole.url}${path}`, {
      method: 'POST',
      headers: {
        'idempotency-key': 'k'.repeat(256),
        ...(body instanceof FormData ? {} : { 'content-type': 'application/json' }),
      },
      body: body instanceof FormData ? body : JSON.stringify(body),
    });
    assert.match(await refused.text(), /An Idempotency-Key has 1 to 255 characters/, path);
    const [{ name, in: place }] = paths[path].post.parameters!;
    assert.deepEqual([name, place], ['Idempotency-Key', 'header']);
  }
});

test('refusals have the described shape in both dialects', async () => {
  for (const [headers, schema] of [
    [{}, errorBody],
    [{ 'x-stainless-lang': 'js' }, openAiErrorBody],
  ] as const) {
    const refused = await fetch(`${whole.url}/v1/files/00000000-0000-4000-8000-000000000000`, { headers });
    assert.equal(refused.status, 404);
    assert.ok(fits(schema, await refused.json()));
  }
});

test('the document is OpenAPI 3.1, and the page shows each path of it', async () => {
  const document = openApiDocument('1.2.3') as {
    openapi: string;
    info: { version: string };
    paths: Record<string, { post?: { requestBody?: { content: object } } }>;
  };
  const recording = document.paths['/v1/audio/transcriptions'].post?.requestBody?.content;
  assert.deepEqual(Object.keys(recording!), ['application/json', 'multipart/form-data']);
  assert.equal(document.openapi, '3.1.0');
  assert.equal(document.info.version, '1.2.3');
  const page = await (await fetch(`${whole.url}/reference`)).text();
  for (const path of Object.keys(document.paths))
    assert.ok(page.includes(`<code class="path">${path}</code>`), path);
});
