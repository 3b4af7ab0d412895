import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BatchJob, BatchJobList, DeletedBatchJob } from '@bora/protocol/mistral-jobs';
import { createApiKey } from '../src/access/create-key.ts';
import type { ApiServer } from './api-server.ts';
import { call, chatLine, postJson, startApiServer } from './api-server.ts';

const JOBS = '/v1/batch/jobs';
const NAMES = ['first', 'second', 'third', 'fourth'] as const;

let server: ApiServer;
let ids: Record<(typeof NAMES)[number], string>;
before(async () => {
  server = await startApiServer();
  const made: [string, string][] = [];
  for (const [number, name] of NAMES.entries()) {
    const { body } = await postJson<BatchJob>(server, JOBS, {
      endpoint: '/v1/chat/completions',
      model: number % 2 === 0 ? 'small' : 'large',
      metadata: { name, 'job type': 'testing', ...(number === 3 ? { page: 'x' } : {}) },
      requests: [chatLine('a')],
    });
    made.push([name, body.id]);
  }
  ids = Object.fromEntries(made) as typeof ids;
  await call(server, `${JOBS}/${ids.second}/cancel`, { method: 'POST' });
});
after(() => server?.[Symbol.asyncDispose]());

async function list(query: string): Promise<string[]> {
  const { status, body } = await call<BatchJobList>(server, `${JOBS}?${query}`);
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.object, 'list');
  return body.data.map(({ metadata }) => metadata!.name);
}

const NEWEST = ['fourth', 'third', 'second', 'first'];

for (const [query, wanted] of [
  ['', NEWEST],
  ['page=0&page_size=100&created_by_me=false&order_by=-created', NEWEST],
  ['order_by=created', NEWEST.toReversed()],
  ['page=1&page_size=3', ['first']],
  ['model=large', ['fourth', 'second']],
  ['model=null&agent_id=null&metadata=null&status=null&created_after=null', NEWEST],
  // Metadata, exploded as SDKs send it, alone and with others.
  ['name=third', ['third']],
  ['job%20type=testing&name=first', ['first']],
  ['job+type=testing', NEWEST],
  ['job_type=testing', []],
  ['metadata%5Bname%5D=second', ['second']],
  ['metadata=%7B%22name%22%3A%22second%22%7D', ['second']],
  ['metadata=name:second', ['second']],
  ['api_key=x&_=1&traceparent=y', NEWEST],
  // Status, repeated, joined, in any case.
  ['status=CANCELLED', ['second']],
  ['status=QUEUED&status=CANCELLED', NEWEST],
  ['status=queued%2CRUNNING', ['fourth', 'third', 'first']],
  ['status=RUNNING', []],
  ['created_by_me=True', NEWEST],
  ['created_after=2020-01-01', NEWEST],
  ['created_after=2020-01-01T10%3A00%3A00.000Z', NEWEST],
  ['created_after=2020-01-01T10:00:00', NEWEST],
  ['created_after=2020-01-01T10:00:00+02:00', NEWEST],
  ['created_after=2999-01-01T10:00:00.123456', []],
  // Cursor paging, as C# does.
  ['limit=3', ['fourth', 'third', 'second']],
] as const) {
  test(`the list for "${query}"`, async () => assert.deepEqual(await list(query), wanted));
}

test('a cursor goes on behind its job', async () => {
  assert.deepEqual(await list(`limit=2&after=${ids.third}`), ['second', 'first']);
  assert.deepEqual(await list(`limit=1&after=${ids.fourth}`), ['third']);
  assert.deepEqual(await list(`limit=2&after=${ids.first}`), []);
});

test('the total counts all that match, whatever the page', async () => {
  const { body } = await call<BatchJobList>(server, `${JOBS}?model=small&page_size=1`);
  assert.deepEqual([body.total, body.data.length], [2, 1]);
});

for (const [query, wanted] of [
  ['status=DONE', /"loc":\["query","status",0\].*enum/],
  ['page=-1', /greater_than_equal/],
  ['page_size=0', /greater_than_equal/],
  ['created_after=yesterday', /created_after/],
  ['order_by=model', /enum/],
  ['after=x', /uuid_parsing/],
  ['metadata=%7B', /"loc":\["query","metadata"\]/],
] as const) {
  test(`the list for "${query}" is refused with the parameter`, async () => {
    const { status, body } = await call(server, `${JOBS}?${query}`);
    assert.equal(status, 422);
    assert.match(JSON.stringify(body), wanted);
  });
}

test('a job that nothing was claimed of is cancelled at once, and cancelling again changes nothing', async () => {
  const first = await call<BatchJob>(server, `${JOBS}/${ids.first}/cancel`, { method: 'POST', body: '{}' });
  assert.deepEqual([first.status, first.body.status, first.body.total_requests], [200, 'CANCELLED', 1]);
  assert.ok(first.body.completed_at !== null);
  const again = await call<BatchJob>(server, `${JOBS}/${ids.first}/cancel`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  });
  assert.deepEqual(again.body, first.body);
});

test('a deleted job is gone, its file is not', async () => {
  const { body: job } = await call<BatchJob>(server, `${JOBS}/${ids.fourth}`);
  const deleted = await call<DeletedBatchJob>(server, `${JOBS}/${ids.fourth}`, { method: 'DELETE' });
  assert.deepEqual(deleted.body, { id: ids.fourth, object: 'batch', deleted: true });
  for (const [path, method] of [
    ['', 'GET'],
    ['/cancel', 'POST'],
    ['', 'DELETE'],
  ]) {
    const gone = await call(server, `${JOBS}/${ids.fourth}${path}`, { method });
    assert.deepEqual([gone.status, gone.body.detail], [404, 'No batch job matches the given query.']);
  }
  assert.equal((await call(server, `/v1/files/${job.input_files[0]}`)).status, 200);
  assert.equal((await call(server, `${JOBS}/nonsense`)).status, 422);
});

test('"created by me" is the key, not the workspace', async () => {
  let ahead = 0;
  await using own = await startApiServer({ ahead: () => ahead });
  const [one, other] = [
    await createApiKey(own.database, { workspace: 'w', name: 'one' }),
    await createApiKey(own.database, { workspace: 'w', name: 'other' }),
  ];
  ahead = 1_000;
  const headers = { 'content-type': 'application/json', 'x-api-key': one.key };
  const body = JSON.stringify({ endpoint: '/v1/chat/completions', model: 'm', requests: [chatLine('a')] });
  assert.equal((await call(own, JOBS, { method: 'POST', headers, body })).status, 200);
  const count = async (key: string, query: string): Promise<number> =>
    (await call<BatchJobList>(own, `${JOBS}?${query}`, { headers: { 'x-api-key': key } })).body.total;
  assert.equal(await count(one.key, 'created_by_me=true'), 1);
  assert.equal(await count(other.key, 'created_by_me=true'), 0);
  assert.equal(await count(other.key, ''), 1);
});
