import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BatchJob, BatchJobList, DeletedBatchJob } from '@bora/protocol/mistral-jobs';
import { createApiKey } from '../src/access/create-key.ts';
import type { ApiServer } from './api-server.ts';
import { call, chatLine, postJson, startApiServer } from './api-server.ts';

const JOBS = '/v1/batch/jobs';
let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

async function create(model = 'm'): Promise<BatchJob> {
  const job = { endpoint: '/v1/chat/completions', model, requests: [chatLine('a')] };
  return (await postJson<BatchJob>(server, JOBS, job)).body;
}

test('the total counts all that match, whatever the page', async () => {
  for (const model of ['small', 'large', 'small']) await create(model);
  const { body } = await call<BatchJobList>(server, `${JOBS}?model=small&page_size=1`);
  assert.deepEqual([body.total, body.data.length], [2, 1]);
});

for (const [query, wanted] of [
  ['status=DONE', /"loc":\["query","status",0\].*enum/],
  ['page=-1', /greater_than_equal/],
  ['page_size=0', /greater_than_equal/],
  ['page_size=1001', /less_than_equal/],
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
  const { id } = await create();
  const first = await call<BatchJob>(server, `${JOBS}/${id}/cancel`, { method: 'POST' });
  assert.deepEqual([first.status, first.body.status, first.body.total_requests], [200, 'CANCELLED', 1]);
  assert.ok(first.body.completed_at !== null);
  const again = await call<BatchJob>(server, `${JOBS}/${id}/cancel`, { method: 'POST' });
  assert.deepEqual(again.body, first.body);
});

test('a deleted job is gone, its file is not', async () => {
  const { id, input_files: inputs } = await create();
  const deleted = await call<DeletedBatchJob>(server, `${JOBS}/${id}`, { method: 'DELETE' });
  assert.deepEqual(deleted.body, { id: id, object: 'batch', deleted: true });
  for (const [path, method] of [
    ['', 'GET'],
    ['/cancel', 'POST'],
    ['', 'DELETE'],
  ]) {
    const gone = await call(server, `${JOBS}/${id}${path}`, { method });
    assert.deepEqual([gone.status, gone.body.detail], [404, 'No batch job matches the given query.']);
  }
  assert.equal((await call(server, `/v1/files/${inputs[0]}`)).status, 200);
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
