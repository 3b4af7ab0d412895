import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { after, before, test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { FORWARDED_ENDPOINTS } from '@bora/protocol/operations';
import type { WholeBora } from '@bora/testkit/whole-bora';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { createApiKey } from '../src/access/create-key.ts';
import { systemClock } from '../src/observe/clock.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';
import { BreakableUpstream, json } from './breakable-upstream.ts';
import { answerWell, questionLine, questionOf } from './paced-bora.ts';

const CHAT = '/v1/chat/completions';

type MadeKey = Awaited<ReturnType<typeof createApiKey>>;

interface Tenant {
  readonly key: string;
  readonly keyId: string;
  readonly workspaceId: string;
  readonly client: WholeBora['client'];
  /** Over `input`, ended, with an output and an error file. */
  readonly job: BatchJob;
  readonly input: string;
  /** Pending, with a part. */
  readonly upload: string;
}

/** Which ids a parameter of a path takes. A route with another parameter must be told here what it names. */
const IDS_OF_PARAMETER: Readonly<Record<string, (owner: Tenant) => readonly string[]>> = {
  file_id: ({ job, input }) => [input, job.output_file!, job.error_file!],
  job_id: ({ job }) => [job.id, `batch_${job.id.replaceAll('-', '')}`],
  batch_id: ({ job }) => [job.id, `batch_${job.id.replaceAll('-', '')}`],
  upload_id: ({ upload }) => [upload],
  key_id: ({ keyId }) => [keyId],
  workspace: ({ workspaceId }) => [workspaceId],
  upstream: () => [whole.bora.upstreamStatus()[0].name],
};

/** Routes without a parameter, and where they are tried. A new one must be told here. */
const WITHOUT_PARAMETER: Readonly<Record<string, string>> = {
  'GET /v1/files': 'lists show only what is their own',
  'HEAD /v1/files': 'lists show only what is their own',
  'POST /v1/files': 'it takes no id',
  'GET /v1/batch/jobs': 'lists show only what is their own',
  'HEAD /v1/batch/jobs': 'lists show only what is their own',
  'POST /v1/batch/jobs': 'a job cannot be made over a file of another workspace',
  ...Object.fromEntries(
    ['GET /v1/models', 'HEAD /v1/models', 'GET /v1/models/*', 'HEAD /v1/models/*']
      .concat(FORWARDED_ENDPOINTS.map((endpoint) => `POST ${endpoint}`))
      .map((route) => [route, 'models are of no workspace']),
  ),
  'POST /v1/uploads': 'it takes no id',
  'GET /v1/batches': 'lists show only what is their own',
  'HEAD /v1/batches': 'lists show only what is their own',
  'POST /v1/batches': 'a batch cannot be made over a file of another workspace',
  'GET /openapi.json': 'public pages name nobody',
  'HEAD /openapi.json': 'public pages name nobody',
  'GET /reference': 'public pages name nobody',
  'HEAD /reference': 'public pages name nobody',
  'OPTIONS /*': 'public, takes no id',
  'GET /healthz': 'public pages name nobody',
  'HEAD /healthz': 'public pages name nobody',
  'GET /readyz': 'public pages name nobody',
  'HEAD /readyz': 'public pages name nobody',
  'GET /bora/v1/keys': 'admins alone',
  'HEAD /bora/v1/keys': 'admins alone',
  'POST /bora/v1/keys': 'admins alone',
  'GET /bora/v1/workspaces': 'admins alone',
  'HEAD /bora/v1/workspaces': 'admins alone',
  'POST /bora/v1/workspaces': 'admins alone',
  'GET /bora/v1/upstreams': 'admins alone',
  'HEAD /bora/v1/upstreams': 'admins alone',
  'GET /bora/v1/audit': 'admins alone',
  'HEAD /bora/v1/audit': 'admins alone',
  'GET /metrics': 'public pages name nobody',
  'HEAD /metrics': 'public pages name nobody',
};

const opened = new AsyncDisposableStack();
const routes: { readonly method: string; readonly url: string }[] = [];
let whole: WholeBora;
let mine: Tenant;
let theirs: Tenant;

before(async () => {
  const upstream = opened.use(await BreakableUpstream.open());
  upstream.reply = (request) => (questionOf(request) === 'bad' ? json(400, {}) : answerWell)(request);
  const folder = opened.use(await makeTemporaryFolder());
  const keys = await makeKeys(folder.path, ['workspace-a', 'workspace-b']);
  subscribe('fastify.initialization', noteRoutes);
  whole = opened.use(await startWholeBora({ dataFolder: folder.path, upstreams: [upstream.url] }));
  unsubscribe('fastify.initialization', noteRoutes);
  mine = await settle(keys[0], 'mine.jsonl');
  theirs = await settle(keys[1], 'theirs.jsonl');
});
after(() => opened[Symbol.asyncDispose]());

function noteRoutes(message: unknown): void {
  (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
    for (const each of [method].flat()) routes.push({ method: each, url });
  });
}

async function makeKeys(folder: string, workspaces: readonly string[]): Promise<MadeKey[]> {
  await using database = await openSqliteDatabase({ folder, clock: systemClock });
  const keys: MadeKey[] = [];
  for (const workspace of workspaces) keys.push(await createApiKey(database, { workspace, name: 'test' }));
  return keys;
}

async function settle({ key, record }: MadeKey, filename: string): Promise<Tenant> {
  const client = whole.clientWith(key);
  const lines = [questionLine('good'), questionLine('bad')];
  const input = await client.files.upload(new Blob(lines), { filename });
  const { id } = await client.jobs.create({
    endpoint: CHAT,
    model: 'm',
    input_files: [input.id],
    metadata: { of: filename },
  });
  const job = await client.jobs.waitUntilComplete(id, { intervalMs: 10 });
  assert.ok(job.output_file !== null && job.error_file !== null);
  const upload = await beginUpload(key);
  return { key, keyId: record.id, workspaceId: record.workspaceId, client, job, input: input.id, upload };
}

async function beginUpload(key: string): Promise<string> {
  const given = { filename: 'a.jsonl', purpose: 'batch', bytes: 3, mime_type: 'application/jsonl' };
  const headers = { authorization: `Bearer ${key}` };
  const body = JSON.stringify(given);
  const begun = await fetch(`${whole.url}/v1/uploads`, { method: 'POST', headers, body });
  const { id } = (await begun.json()) as { id: string };
  const form = new FormData();
  form.append('data', new Blob(['{}\n']));
  const part = await fetch(`${whole.url}/v1/uploads/${id}/parts`, { method: 'POST', headers, body: form });
  assert.equal(part.status, 200);
  return id;
}

interface Call {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

/** The answer, but for what differs between any two calls: the time, the ids of the call, and `id`, which it was about. */
async function answerTo({ method, path, body = '{}' }: Call, { key }: Tenant, id: string): Promise<object> {
  const response = await fetch(`${whole.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(method === 'POST' ? { body } : {}),
  });
  const requestId = response.headers.get('x-request-id') ?? '';
  const neutral = (text: string): string => text.replaceAll(requestId, '<call>').replaceAll(id, '<id>');
  return {
    status: response.status,
    headers: [...response.headers]
      .filter(([name]) => name !== 'date')
      .map(([name, value]) => [name, neutral(value)]),
    body: neutral(await response.text()),
  };
}

/** All that its owner can see. */
async function belongings({ client, input, job }: Tenant): Promise<unknown[]> {
  const contents = [input, job.output_file!, job.error_file!].map(async (id) =>
    new Response(await client.files.content(id)).text(),
  );
  return [await client.files.list(), await client.jobs.list(), ...(await Promise.all(contents))];
}

test('the ids of another workspace are answered by each route exactly as ids that never were', async () => {
  const had = await belongings(mine);
  let tried = 0;
  for (const { method, url } of routes) {
    const parameters = [...url.matchAll(/:(\w+)/g)].map(([, name]) => name);
    if (parameters.length === 0) {
      assert.ok(`${method} ${url}` in WITHOUT_PARAMETER, `${method} ${url} is tried by no test here`);
      continue;
    }
    assert.equal(parameters.length, 1, `${method} ${url} has several parameters; teach this test about them`);
    const [parameter] = parameters;
    const ids = IDS_OF_PARAMETER[parameter]?.(mine);
    assert.ok(ids !== undefined, `${method} ${url} takes a parameter that this test does not know`);
    for (const id of ids) {
      const prefix = /^[a-z]+_/.exec(id)?.[0];
      const unknown = prefix === undefined ? randomUUID() : `${prefix}${randomUUID().replaceAll('-', '')}`;
      const about = (named: string): Call => ({ method, path: url.replace(`:${parameter}`, named) });
      const foreign = await answerTo(about(id), theirs, id);
      assert.deepEqual(foreign, await answerTo(about(unknown), theirs, unknown), `${method} ${url}`);
      const status = url.startsWith('/bora/') ? 403 : 404;
      assert.equal((foreign as { status: number }).status, status, `${method} ${url}`);
      tried += 1;
    }
  }
  assert.ok(tried > 20, 'the routes were found');
  assert.deepEqual(await belongings(mine), had, 'and nothing of it happened');
});

test('a job cannot be made over a file of another workspace', async () => {
  const over = (fileId: string): Call => ({
    method: 'POST',
    path: '/v1/batch/jobs',
    body: JSON.stringify({ endpoint: CHAT, model: 'm', input_files: [theirs.input, fileId] }),
  });
  const unknown = randomUUID();
  for (const fileId of IDS_OF_PARAMETER['file_id'](mine)) {
    const foreign = await answerTo(over(fileId), theirs, fileId);
    assert.deepEqual(foreign, await answerTo(over(unknown), theirs, unknown));
    assert.equal((foreign as { status: number }).status, 404);
  }
});

test('a batch cannot be made over a file of another workspace', async () => {
  const over = (fileId: string): Call => ({
    method: 'POST',
    path: '/v1/batches',
    body: JSON.stringify({ endpoint: CHAT, input_file_id: fileId, completion_window: '24h' }),
  });
  const unknown = randomUUID();
  for (const fileId of IDS_OF_PARAMETER['file_id'](mine)) {
    const foreign = await answerTo(over(fileId), theirs, fileId);
    assert.deepEqual(foreign, await answerTo(over(unknown), theirs, unknown));
    assert.equal((foreign as { status: number }).status, 400);
  }
});

test('lists show only what is their own, whatever is asked', async () => {
  for (const [tenant, other] of [
    [mine, theirs],
    [theirs, mine],
  ]) {
    const { client, job, input } = tenant;
    const files = await client.files.list();
    assert.deepEqual(
      files.data.map(({ id }) => id).toSorted(),
      [input, job.output_file!, job.error_file!].toSorted(),
    );
    assert.equal(files.total, 3);
    const jobs = await client.jobs.list();
    assert.deepEqual(
      jobs.data.map(({ id }) => id),
      [job.id],
    );
    assert.equal(jobs.total, 1);

    assert.equal((await client.files.list({ search: other.job.metadata!['of'] })).total, 0);
    assert.equal((await client.jobs.list({ metadata: other.job.metadata! })).total, 0);
    for (const path of ['/v1/batch/jobs', '/v1/batches']) {
      const behind = (id: string): Call => ({ method: 'GET', path: `${path}?after=${id}` });
      const unknown = randomUUID();
      assert.deepEqual(
        await answerTo(behind(other.job.id), tenant, other.job.id),
        await answerTo(behind(unknown), tenant, unknown),
      );
      const shown = await answerTo({ method: 'GET', path }, tenant, 'none');
      assert.equal((shown as { body: string }).body.match(/"object":"batch"/g)?.length, 1);
    }
  }
});

test('a signed link opens its own file only, and no other key opens more with it', async () => {
  const link = await theirs.client.files.signedUrl(theirs.input);
  assert.equal((await fetch(link)).status, 200);
  for (const fileId of IDS_OF_PARAMETER['file_id'](mine)) {
    const bent = link.replace(theirs.input, fileId);
    assert.equal((await fetch(bent)).status, 403);
    assert.equal((await fetch(bent, { headers: { authorization: `Bearer ${theirs.key}` } })).status, 403);
  }
});

test('a signed link opens nothing once anything of it is changed', async () => {
  const link = new URL(await theirs.client.files.signedUrl(theirs.input));
  const of = (url: URL, name: string): string => url.searchParams.get(name) ?? '';
  const other = new URL(await mine.client.files.signedUrl(mine.input));
  const signature = of(link, 'signature');
  const bends: readonly ((query: URLSearchParams) => void)[] = [
    (query) => query.set('workspace', mine.workspaceId),
    (query) => query.append('workspace', mine.workspaceId),
    (query) => query.delete('workspace'),
    (query) => query.set('batch', theirs.job.id),
    (query) => query.set('batch', mine.job.id),
    (query) => query.append('batch', ''),
    (query) => query.set('expires', String(Number(of(link, 'expires')) + 1)),
    (query) => query.set('expires', `0${of(link, 'expires')}.0`),
    (query) => query.set('expires', '99999999999999999999'),
    (query) => query.delete('expires'),
    (query) => query.set('signature', of(other, 'signature')),
    (query) => query.set('signature', signature.slice(0, -1)),
    (query) => query.set('signature', signature.toUpperCase()),
    (query) => query.set('signature', ''),
    (query) => query.append('signature', signature),
  ];
  for (const bend of bends) {
    const bent = new URL(link);
    bend(bent.searchParams);
    for (const headers of [{}, { authorization: `Bearer ${mine.key}` }]) {
      assert.equal((await fetch(bent, { headers })).status, 403, bent.search);
    }
  }
  assert.equal((await fetch(link)).status, 200);
});

test("a line cannot name another workspace's file, whatever names it", async () => {
  const unknown = randomUUID();
  const naming = (endpoint: string, body: object) => (fileId: string) => ({
    method: 'POST',
    path: '/v1/batch/jobs',
    body: JSON.stringify({ endpoint, model: 'm', requests: [{ body }] }).replaceAll('THE-FILE', fileId),
  });
  for (const about of [
    naming('/v1/ocr', { document: { type: 'file', file_id: 'THE-FILE' } }),
    naming('/v1/audio/transcriptions', { file_id: 'THE-FILE' }),
    naming('/v1/audio/transcriptions', { file_id: 'THE-FILE', file_url: null }),
  ]) {
    for (const fileId of IDS_OF_PARAMETER['file_id'](mine)) {
      const foreign = await answerTo(about(fileId), theirs, fileId);
      assert.deepEqual(foreign, await answerTo(about(unknown), theirs, unknown));
      assert.equal((foreign as { status: number }).status, 422);
    }
  }
  assert.equal((await theirs.client.jobs.list()).total, 1, 'and no job was made');
});

test("what admins alone may do is refused to a workspace's own keys", async () => {
  for (const call of Object.keys(WITHOUT_PARAMETER).filter((each) => each.includes('/bora/'))) {
    const [method, path] = call.split(' ');
    const { status } = (await answerTo({ method, path }, theirs, '-')) as { status: number };
    assert.equal(status, 403, call);
  }
});

test('public pages name nobody', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    const text = await (await fetch(`${whole.url}${path}`)).text();
    for (const { job, input } of [mine, theirs]) {
      for (const id of [job.id, input, job.output_file!, 'mine', 'theirs'])
        assert.ok(!text.includes(id), path);
    }
  }
});
