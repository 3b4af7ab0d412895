import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import type { FileList } from '@bora/protocol/mistral-files';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import { batchJob } from '@bora/protocol/mistral-jobs';
import type { BatchJob, BatchJobList } from '@bora/protocol/mistral-jobs';
import { readFileRange } from '../src/files/content.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { call, chatLine, postJson, startApiServer, upload, uploadLines } from './api-server.ts';

const CHAT = '/v1/chat/completions';
const UNKNOWN = '01234567-89ab-cdef-0123-456789abcdef';

let server: ApiServer;
let input: string;
before(async () => {
  server = await startApiServer();
  input = await uploadLines(server, [chatLine('a'), chatLine(null)]);
});
after(() => server?.[Symbol.asyncDispose]());

function create<Body = BatchJob>(body: unknown, on: ApiServer = server): Promise<Answer<Body>> {
  return postJson(on, '/v1/batch/jobs', body);
}

async function countFiles(): Promise<number | null> {
  return (await call<FileList>(server, '/v1/files')).body.total;
}

async function contentOf(fileId: string): Promise<string> {
  const file = await server.database.getFile(server.workspaceId, fileId, null);
  const chunks: Uint8Array[] = [];
  for await (const chunk of readFileRange(server, fileId, 0, file!.bytes)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test('a job over files is answered with every key, queued', async () => {
  const { status, body } = await create({
    endpoint: CHAT,
    model: 'm',
    input_files: [input, input],
    metadata: { team: 'a' },
    timeout_hours: 48,
  });
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(body), Object.keys(batchJob.shape));
  batchJob.parse(body);
  const { id, created_at: createdAt, bora, ...rest } = body;
  assert.deepEqual(rest, {
    object: 'batch',
    input_files: [input, input],
    metadata: { team: 'a' },
    endpoint: CHAT,
    model: 'm',
    agent_id: null,
    output_file: null,
    error_file: null,
    errors: [],
    outputs: null,
    status: 'QUEUED',
    total_requests: 4,
    completed_requests: 0,
    succeeded_requests: 0,
    failed_requests: 0,
    started_at: null,
    completed_at: null,
  });
  assert.equal(bora?.deadline_at, createdAt + 48 * 3600);
  assert.equal(bora?.state, 'validating');
  const again = await call<BatchJob>(server, `/v1/batch/jobs/batch_${id.replaceAll('-', '')}`);
  assert.equal(again.body.id, id);
});

for (const order of ['before', 'behind'] as const) {
  test(`inline requests ${order} the other members become a file, byte for byte but for line breaks`, async () => {
    const requests =
      '[ {"custom_id":"1","body":{"messages":[],"n":1.0,\n "n":1e400}}, {"body":{"messages":[{}]}} ]';
    const members = `"endpoint":"${CHAT}","model":"m"`;
    const parts = [`"requests":${requests}`, members];
    const { status, body } = await create(`{${(order === 'before' ? parts : parts.toReversed()).join(',')}}`);
    assert.equal(status, 200);
    assert.deepEqual([body.total_requests, body.input_files.length, body.outputs], [2, 1, null]);
    const file = await server.database.getFile(server.workspaceId, body.input_files[0], null);
    assert.deepEqual([file?.source, file?.sampleType, file?.numLines], ['mistral', 'batch_request', 2]);
    assert.equal(
      await contentOf(body.input_files[0]),
      '{"custom_id":"1","body":{"messages":[],"n":1.0,  "n":1e400}}\n{"body":{"messages":[{}]}}\n',
    );
  });
}

test('ten thousand inline requests are taken, one more is not', async () => {
  const requests = Array.from({ length: 10_001 }, (_, number) => chatLine(String(number)));
  const most = await create({ endpoint: CHAT, model: 'm', requests: requests.slice(1) });
  assert.deepEqual([most.status, most.body.total_requests], [200, 10_000]);
  const files = await countFiles();
  const more = await create<unknown>({ endpoint: CHAT, model: 'm', requests });
  assert.equal(more.status, 422);
  assert.match(JSON.stringify(more.body), /"loc":\["body","requests"\].*at most 10000 items/);
  assert.equal(await countFiles(), files);
});

const REQUESTS = [chatLine('a')];
for (const [what, body, status, wanted] of [
  [
    'no endpoint',
    { model: 'm', requests: REQUESTS },
    422,
    /"loc":\["body","endpoint"\],"msg":"Field required","type":"missing"/,
  ],
  [
    'an endpoint outside the ten',
    { endpoint: '/v1/responses', requests: REQUESTS },
    422,
    /Input should be '\/v1\/chat\/completions', .* or '\/v1\/audio\/transcriptions'","type":"enum"/,
  ],
  [
    'an agent',
    { endpoint: '/v1/conversations', agent_id: 'ag:1', requests: [{ body: { inputs: 'Hello' } }] },
    422,
    /the agent \\"ag:1\\".*agent_not_served/,
  ],
  ['neither files nor requests', { endpoint: CHAT, model: 'm' }, 422, /neither `input_files` nor `requests`/],
  ['no files in the list', { endpoint: CHAT, model: 'm', input_files: [] }, 422, /"too_short"/],
  ['no requests in the list', { endpoint: CHAT, model: 'm', requests: [] }, 422, /empty_input/],
  [
    'an id that is no UUID',
    { endpoint: CHAT, model: 'm', input_files: ['x'] },
    422,
    /"input_files",0\].*uuid_parsing/,
  ],
  ['an unknown file', { endpoint: CHAT, model: 'm', input_files: [UNKNOWN] }, 404, /file_not_found/],
  [
    'a timeout of 0',
    { endpoint: CHAT, model: 'm', requests: REQUESTS, timeout_hours: 0 },
    422,
    /greater_than_equal/,
  ],
  [
    'a timeout of 169',
    { endpoint: CHAT, model: 'm', requests: REQUESTS, timeout_hours: 169 },
    422,
    /less_than_equal/,
  ],
  [
    'a window of 8 days',
    { endpoint: CHAT, model: 'm', requests: REQUESTS, completion_window: '8d' },
    422,
    /less_than_equal/,
  ],
  [
    'a long metadata key',
    { endpoint: CHAT, model: 'm', requests: REQUESTS, metadata: { ['k'.repeat(33)]: 'v' } },
    422,
    /metadata/,
  ],
  [
    'metadata that is no text',
    { endpoint: CHAT, model: 'm', requests: REQUESTS, metadata: { k: 1 } },
    422,
    /string_type/,
  ],
  [
    'no model anywhere',
    { endpoint: CHAT, requests: [chatLine('a', 'x'), chatLine('b')] },
    422,
    /1 of 2 requests .* first on line 2/,
  ],
  [
    'chat requests for embeddings',
    { endpoint: '/v1/embeddings', model: 'm', requests: REQUESTS },
    422,
    /needs \\"input\\".*first on line 1/,
  ],
  [
    'a request without body',
    { endpoint: CHAT, model: 'm', requests: [REQUESTS[0], {}] },
    422,
    /"loc":\["body","requests",1\]/,
  ],
  [
    'a request that is no object',
    { endpoint: CHAT, model: 'm', requests: [1] },
    422,
    /"loc":\["body","requests",0\]/,
  ],
  ['requests that are no list', { endpoint: CHAT, model: 'm', requests: 'x' }, 422, /must be an array/],
  ['broken JSON', '{"endpoint":', 422, /invalid_json/],
  ['no body', '', 422, /invalid_json/],
] as const) {
  test(`a job with ${what} is refused with ${status} and leaves nothing behind`, async () => {
    const files = await countFiles();
    const answer = await create<unknown>(body);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), wanted);
    assert.equal(await countFiles(), files);
  });
}

test('everything that is wrong with a job is told at once', async () => {
  const { status, body } = await create<ErrorBody>({
    endpoint: '/v1/nothing',
    timeout_hours: 0,
    metadata: { k: 1, ['k'.repeat(33)]: 'v' },
    input_files: [input, 'x'],
  });
  assert.equal(status, 422);
  assert.deepEqual(
    (body.detail as { loc: unknown[] }[]).map(({ loc }) => loc.join('.')).toSorted(),
    [
      'body.endpoint',
      'body.input_files.1',
      'body.metadata.k',
      `body.metadata.${'k'.repeat(33)}`,
      'body.timeout_hours',
    ].toSorted(),
  );

  const wrong = [{}, 7, 'text', null, [chatLine('a')]];
  const requests = Array.from({ length: 150 }, (_, at) => (at % 3 === 0 ? wrong[at % 5] : chatLine('a')));
  const inline = await create<ErrorBody>({ endpoint: CHAT, model: 'm', requests });
  assert.match(inline.body.description!, /^50 of the requests cannot be run; nothing was started\.$/);
  assert.deepEqual(
    (inline.body.detail as { loc: unknown[] }[]).map(({ loc }) => loc.at(-1)),
    Array.from({ length: 50 }, (_, at) => at * 3),
  );

  const many = await create<ErrorBody>({
    endpoint: CHAT,
    model: 'm',
    requests: Array.from({ length: 101 }, () => 7),
  });
  assert.match(many.body.description!, /^101 of the requests cannot be run \(the first 100 are listed\);/);
});

for (const [endpoint, names] of Object.entries(REQUIRED_MEMBERS)) {
  test(`${endpoint} needs ${names.join(' or ')} in each line`, async () => {
    const has = names.map((name) => ({ body: { [name]: [] } }));
    const taken = await create({ endpoint, model: 'm', requests: has });
    assert.equal(taken.status, 200, JSON.stringify(taken.body));
    const lacking = { body: { [names[0]]: null, other: 1 } };
    const file = await uploadLines(server, [...has, lacking]);
    const refused = await create<ErrorBody>({ endpoint, model: 'm', input_files: [file] });
    assert.equal(refused.status, 422);
    const needed = names.map((name) => `"${name}"`).join(' or ');
    const { detail } = refused.body as unknown as { detail: string };
    for (const told of [`needs ${needed}`, `file ${file}`, `first on line ${names.length + 1}`]) {
      assert.ok(detail.includes(told), detail);
    }
  });
}

test('files and requests together are refused, and the requests are not kept', async () => {
  const files = await countFiles();
  const { status, body } = await create<unknown>({
    endpoint: CHAT,
    model: 'm',
    requests: REQUESTS,
    input_files: [input],
  });
  assert.equal(status, 422);
  assert.match(JSON.stringify(body), /both `input_files` and `requests`/);
  assert.equal(await countFiles(), files);
});

test('a file of another purpose is refused, an unchecked one is taken without a total', async () => {
  const document = (await upload(server, [['file', new File(['x'], 'a.pdf')]])).body.id;
  const wrong = await create<unknown>({ endpoint: CHAT, model: 'm', input_files: [input, document] });
  assert.equal(wrong.status, 422);
  assert.match(JSON.stringify(wrong.body), new RegExp(`file ${document} has the purpose ocr`));
});

test('lines may bring their models; several show as mixed', async () => {
  const one = await create({ endpoint: CHAT, requests: [chatLine('a', 'small')] });
  assert.equal(one.body.model, 'small');
  const two = await create({ endpoint: CHAT, requests: [chatLine('a', 'small'), chatLine('b', 'large')] });
  assert.equal(two.body.model, 'mixed');
  const requests = Array.from({ length: 200 }, (_, number) => chatLine('a', `model-${number}`));
  assert.equal((await create({ endpoint: CHAT, requests })).body.model, 'mixed');
});

test('an unknown model is refused while an upstream is reachable, and waits while none is', async () => {
  await using own = await startApiServer();
  own.upstreams.models = ['small', 'large'];
  const refused = await create<unknown>({ endpoint: CHAT, model: 'huge', requests: REQUESTS }, own);
  assert.equal(refused.status, 422);
  assert.match(JSON.stringify(refused.body), /access to the model \\"huge\\".*Served are: small, large\./);
  const inLine = await create<unknown>({ endpoint: CHAT, requests: [chatLine('a', 'huge')] }, own);
  assert.equal(inLine.status, 422);
  own.upstreams.reachable = false;
  own.upstreams.waiting = 'No upstream is reachable.';
  const waits = await create({ endpoint: CHAT, model: 'huge', requests: REQUESTS }, own);
  assert.deepEqual([waits.status, waits.body.bora?.waiting], [200, ['No upstream is reachable.']]);
});

test('an endpoint that no upstream is meant to serve is refused with those that are', async () => {
  await using own = await startApiServer();
  own.upstreams.endpoints = [CHAT, '/v1/embeddings'];
  const requests = [{ body: { document: {} } }];
  const refused = await create<ErrorBody>({ endpoint: '/v1/ocr', model: 'm', requests }, own);
  assert.deepEqual([refused.status, refused.body.bora?.code], [422, 'endpoint_not_served']);
  assert.match(JSON.stringify(refused.body), /Served are: \/v1\/chat\/completions, \/v1\/embeddings\./);
});

test('a commit whose answer is lost makes one job, and says so', async () => {
  let lost = 0;
  await using own = await startApiServer({
    wrapDatabase: (database) => ({
      ...database,
      async createBatch(...args) {
        const created = await database.createBatch(...args);
        lost += 1;
        if (lost === 1) throw new Error('the answer was lost');
        return created;
      },
    }),
  });
  const { status } = await create({ endpoint: CHAT, model: 'm', requests: REQUESTS }, own);
  assert.equal(status, 200);
  assert.equal((await call<BatchJobList>(own, '/v1/batch/jobs')).body.total, 1);
});

test('a body, a request or a backlog over the limits is refused, and its file not kept', async () => {
  await using small = await startApiServer({
    settings: { maxCreateBytes: 50_000, maxLineBytes: 2_000, maxPendingRequests: 2 },
  });
  const long = { custom_id: 'x', body: { messages: ['y'.repeat(3_000)] } };
  const request = await create<unknown>({ endpoint: CHAT, model: 'm', requests: [long] }, small);
  assert.equal(request.status, 413);
  assert.match(JSON.stringify(request.body), /Request 0: /);
  const many = Array.from({ length: 600 }, () => chatLine('x'.repeat(100)));
  assert.equal((await create({ endpoint: CHAT, model: 'm', requests: many }, small)).status, 413);
  assert.equal((await create({ endpoint: CHAT, model: 'm', requests: REQUESTS }, small)).status, 200);
  const pending = await create<unknown>(
    { endpoint: CHAT, model: 'm', requests: [...REQUESTS, ...REQUESTS] },
    small,
  );
  assert.equal(pending.status, 429);
  assert.match(JSON.stringify(pending.body), /too_many_pending/);
  assert.equal((await call<FileList>(small, '/v1/files')).body.total, 1);
});
