import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FileList } from '@bora/protocol/mistral-files';
import type { BatchJob, BatchJobList } from '@bora/protocol/mistral-jobs';
import { bytesOfCall, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { call, postJson, startApiServer, upload } from './api-server.ts';
import type { ErrorBody } from '@bora/protocol/mistral-errors';

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

async function traces(): Promise<object> {
  const uploads = (await call<FileList>(server, '/v1/files?page_size=1')).body.total;
  const jobs = (await call<BatchJobList>(server, '/v1/batch/jobs?page_size=1')).body.total;
  return { uploads, jobs, ...tracesIn(server.dataFolder) };
}

const REQUEST = '{"custom_id":"a","body":{"messages":[]}}';
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const keys = (count: number, value: string): string =>
  Array.from({ length: count }, (_, at) => `"k${at}":${value}`).join(',');

/** A create call of inline requests, enough of them that they lie in a blob. */
function create(members: string, requests = `${REQUEST},`.repeat(2_000) + REQUEST): string {
  return `{"endpoint":"/v1/chat/completions","model":"m","requests":[${requests}]${members === '' ? '' : `,${members}`}}`;
}

const REFUSED: readonly (readonly [string, string | Uint8Array, number, RegExp])[] = [
  ['nothing', '', 422, /invalid_json/],
  ['null', 'null', 422, /invalid_json/],
  ['a list', '[]', 422, /invalid_json/],
  ['a million open brackets', '['.repeat(1e6), 422, /invalid_json/],
  ['a million open objects', '{"a":'.repeat(1e6), 413, /besides \\"requests\\" are larger/],
  ['a member 200,000 deep', create(`"metadata":${nested(200_000)}`), 422, /record_type/],
  ['metadata whose value is deep', create(`"metadata":{"a":${nested(200_000)}}`), 422, /string_type/],
  ['an unknown member that never ends', create(`"x":${'['.repeat(300_000)}`).slice(0, -1), 422, /too early/],
  ['a million keys', `{${keys(1e6, '1')}}`, 413, /body_too_large/],
  ['50,000 keys of metadata', create(`"metadata":{${keys(50_000, '"v"')}}`), 422, /at most 64 keys/],
  [
    '50,000 bad keys of metadata',
    create(`"metadata":{${keys(50_000, '""')}}`),
    422,
    /first 100 of \d+ errors/,
  ],
  ['a metadata key of 900 KB', create(`"metadata":{"${'k'.repeat(900_000)}":"v"}`), 422, /"metadata"/],
  ['metadata called __proto__', create('"metadata":{"__proto__":"x"}'), 422, /__proto__ cannot be kept/],
  ['numbers for metadata', create('"metadata":{"a":1e999}'), 422, /string_type/],
  ['a number that is too large', create('"timeout_hours":1e999'), 422, /timeout_hours/],
  ['a number of 900,000 digits', create(`"timeout_hours":${'9'.repeat(900_000)}`), 422, /timeout_hours/],
  ['a number that is none', create('"timeout_hours":NaN'), 422, /invalid_json/],
  [
    'a window of a thousand digits',
    create(`"completion_window":"${'9'.repeat(1_000)}h"`),
    422,
    /completion_window/,
  ],
  ['a model of 900 KB', create(`"model":"${'m'.repeat(900_000)}"`), 422, /at most 1000 characters/],
  ['half a character as its model', create('"model":"m\\ud800"'), 422, /valid Unicode/],
  ['an endpoint of 900 KB', create(`"endpoint":"${'m'.repeat(900_000)}"`), 422, /"enum"/],
  ['an agent of 900 KB', create(`"agent_id":"${'m'.repeat(900_000)}"`), 422, /"agent_id"/],
  [
    '25,000 input files',
    `{"endpoint":"/v1/chat/completions","input_files":[${'"00000000-0000-4000-8000-000000000000",'.repeat(25_000).slice(0, -1)}]}`,
    422,
    /at most 1000 items/,
  ],
  [
    '100,000 bad input files',
    `{"endpoint":"/v1/chat/completions","input_files":[${'"x",'.repeat(100_000).slice(0, -1)}]}`,
    422,
    /at most 1000 items/,
  ],
  ['requests twice', create('"requests":[]'), 422, /twice/],
  ['requests twice, escaped', create('"reques\\u0074s":[]'), 422, /twice/],
  ['requests that are text', '{"endpoint":"/v1/chat/completions","requests":"[]"}', 422, /must be an array/],
  ['10,001 requests', create('', `${REQUEST},`.repeat(10_000) + REQUEST), 422, /at most 10000 items/],
  [
    'a request that is 5,000 deep',
    create('', `${REQUEST},{"body":{"messages":${nested(5_000)}}}`),
    422,
    /nests deeper than 1000/,
  ],
  [
    'a request that is 2,000,000 deep',
    create('', `${REQUEST},{"body":{"messages":${nested(2_000_000)}}}`),
    422,
    /nests deeper than 1000/,
  ],
  ['a request that never ends', create('', `${REQUEST},{"body":${'['.repeat(1e6)}`), 422, /too early/],
  [
    'a request of 17 MB',
    create('', `${REQUEST},{"body":{"messages":"${'x'.repeat(17e6)}"}}`),
    413,
    /Request 1: /,
  ],
  [
    'a request in latin1',
    Buffer.from(create('', `${REQUEST},{"body":{"messages":"\xe4"}}`), 'latin1'),
    422,
    /not valid UTF-8/,
  ],
  ['members in latin1', Buffer.from(create('"metadata":{"a":"\xe4"}'), 'latin1'), 422, /not valid UTF-8/],
  ['a body in UTF-16', Buffer.from(create(''), 'utf16le'), 422, /invalid_json/],
  ['a body that goes on', `${create('')}{}`, 422, /invalid_json/],
  ['NUL between members', create('\0"a":1'), 422, /invalid_json/],
];

for (const [what, body, status, wanted] of REFUSED) {
  test(`a create call with ${what} is refused with ${status} and leaves nothing behind`, async () => {
    const had = await traces();
    const answer = await rawCall(server.url, bytesOfCall('/v1/batch/jobs', body));
    assert.equal(answer?.status, status, answer?.body.slice(0, 1_000));
    assert.match(answer.body, wanted);
    assert.ok(answer.body.length < 40_000, 'the answer is short');
    assert.deepEqual(await traces(), had);
  });
}

const TAKEN: readonly (readonly [string, string, (job: BatchJob) => unknown, unknown])[] = [
  [
    'names of methods as metadata',
    create('"metadata":{"constructor":"x","toString":"y"}'),
    ({ metadata }) => metadata,
    { constructor: 'x', toString: 'y' },
  ],
  [
    'half a character in metadata',
    create('"metadata":{"a":"\\ud800"}'),
    ({ metadata }) => metadata,
    { a: '\ud800' },
  ],
  ['NUL in metadata', create('"metadata":{"a":"x\\u0000y"}'), ({ metadata }) => metadata, { a: 'x\0y' }],
  ['members twice', create('"model":"x","model":"y"'), ({ model }) => model, 'y'],
  [
    'half a character in its requests',
    create('', '{"custom_id":"\\ud800","body":{"messages":["\\udfff"]}}'),
    ({ total_requests }) => total_requests,
    1,
  ],
  [
    'a request 990 deep',
    create('', `{"body":{"messages":${nested(990)}}}`),
    ({ total_requests }) => total_requests,
    1,
  ],
  [
    'a request of 100,000 keys',
    create('', `{"body":{"messages":[],${keys(100_000, '1')}}}`),
    ({ total_requests }) => total_requests,
    1,
  ],
  [
    'a request of 15 MB',
    create('', `{"body":{"messages":"${'x'.repeat(15e6)}"}}`),
    ({ total_requests }) => total_requests,
    1,
  ],
];

for (const [what, body, of, wanted] of TAKEN) {
  test(`a create call with ${what} is taken as it is`, async () => {
    const { status, body: job } = await postJson<BatchJob>(server, '/v1/batch/jobs', body);
    assert.equal(status, 200, JSON.stringify(job).slice(0, 1_000));
    assert.deepEqual(of(job), wanted);
    assert.deepEqual(of((await call<BatchJob>(server, `/v1/batch/jobs/${job.id}`)).body), wanted);
  });
}

test('a filter by __proto__ finds nothing, and by the names of methods what has them', async () => {
  const found = async (query: string): Promise<number> =>
    (await call<BatchJobList>(server, `/v1/batch/jobs?${query}`)).body.total;
  assert.equal(await found('__proto__=x'), 0);
  assert.equal(await found('metadata[__proto__]=x'), 0);
  assert.equal(await found('metadata={"__proto__":"x"}'), 0);
  assert.equal(await found('constructor=x&toString=y'), 1);
});

/** Lines of a file, and the first thing said about them. */
const LINES: readonly (readonly [string, () => string, RegExp])[] = [
  ['a line 1,000,000 deep', () => `{"body":${'['.repeat(1e6)}${']'.repeat(1e6)}}`, /nests deeper than 1000/],
  ['a small line 5,000 deep', () => `{"body":{"a":${nested(5_000)}}}`, /nests deeper than 1000/],
  ['a line of 40 MB', () => `{"body":{"a":"${'x'.repeat(40e6)}"}}`, /longer than 16 MiB/],
  ['a line of 40 MB of brackets', () => `{"body":${'['.repeat(40e6)}}`, /longer than 16 MiB/],
  ['a line of 15 MB of objects', () => `{"body":[${'{},'.repeat(5e6)}{}]}`, /"body" is an array/],
  ['2,000,000 empty lines', () => '\n'.repeat(2e6), /has no requests/],
  ['a line of 20 MB of spaces', () => ' '.repeat(20e6), /has no requests/],
  ['100,000 bad lines', () => 'x\n'.repeat(1e5), /not valid JSON/],
  ['NUL', () => '\0'.repeat(1e6), /not valid JSON/],
];

for (const [what, text, wanted] of LINES) {
  test(`a file with ${what} is refused, and leaves nothing behind`, async () => {
    const had = await traces();
    const { status, body } = await upload<ErrorBody>(server, [
      ['purpose', 'batch'],
      ['file', new File([text()], 'in.jsonl')],
    ]);
    assert.deepEqual([status, body.bora?.code], [422, 'bad_batch_file']);
    assert.match(body.errors?.[0].message ?? '', wanted);
    assert.ok(body.errors!.length <= 100);
    assert.deepEqual(await traces(), had);
  });
}

test('a small body of an admin is refused when it is a bomb', async () => {
  for (const [body, status] of [
    ['['.repeat(60_000), 422],
    [nested(30_000), 422],
    [`{"name":"${'x'.repeat(100_000)}"}`, 413],
    [`{"name":"x","limits":${nested(30_000)}}`, 422],
    ['{"name":"x","weight":1e999}', 422],
    ['{"name":"\\u0000"}{}', 422],
  ] as const) {
    const answer = await postJson(server, '/bora/v1/workspaces', body);
    assert.equal(answer.status, status, JSON.stringify(answer.body).slice(0, 500));
  }
});
