import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { chatLine, postJson, startApiServer, uploadLines } from './api-server.ts';
import type { ApiServer } from './api-server.ts';

let server: ApiServer;
let input: string;
before(async () => {
  server = await startApiServer();
  input = await uploadLines(server, [chatLine('a', 'm')]);
});
after(() => server?.[Symbol.asyncDispose]());

/** Values of every type, and what an error calls them. */
const VALUES: readonly (readonly [value: unknown, name: string])[] = [
  ['text', 'a string'],
  [7, 'an integer'],
  [1.5, 'a decimal'],
  [true, 'a boolean'],
  [[], 'an array'],
  [{}, 'an object'],
  [null, 'null'],
];

/** Each member, by its path, what it must be, and how a create call is made of a value of it. */
const MEMBERS: readonly (readonly [path: string, expected: string, create: (value: unknown) => object])[] = [
  ['input_file_id', 'a string', (value) => ({ input_file_id: value })],
  ['endpoint', 'a string', (value) => ({ endpoint: value })],
  ['completion_window', 'a string', (value) => ({ completion_window: value })],
  ['metadata', 'an object', (value) => ({ metadata: value })],
  ['metadata.a', 'a string', (value) => ({ metadata: { a: value } })],
  ['output_expires_after', 'an object', (value) => ({ output_expires_after: value })],
  ['output_expires_after.seconds', 'an integer', (value) => expiry({ seconds: value })],
  ['input_files.1', 'a string', (value) => ({ input_file_id: undefined, input_files: [input, value] })],
  ['bora', 'an object', (value) => ({ bora: value })],
  ['bora.lenient', 'a boolean', (value) => ({ bora: { lenient: value } })],
];

/** Members that may be null. */
const NULLABLE: readonly string[] = ['metadata', 'output_expires_after', 'bora', 'bora.lenient'];

function expiry(change: object): object {
  return { output_expires_after: { anchor: 'created_at', seconds: 3600, ...change } };
}

for (const [path, expected, create] of MEMBERS) {
  test(`${path} must be ${expected}, and a value of another type is told by its name`, async () => {
    for (const [value, name] of VALUES) {
      if (name === expected || (value === null && NULLABLE.includes(path))) continue;
      await isRefused(create(value), [
        `Invalid type for '${path}': expected ${expected}, but got ${name} instead.`,
        path,
        'invalid_type',
      ]);
    }
  });
}

const LONG = 'x'.repeat(10_000);
const ENDPOINTS =
  "'/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/moderations', and '/v1/images/generations'";
const WINDOWS = "Supported values are a number of minutes, hours or days from '1m' to '30d', such as '24h'.";
const seconds = (side: string, sign: string, limit: number, given: number, code: string): Refusal => [
  `Invalid 'output_expires_after.seconds': integer ${side} value. Expected a value ${sign} ${limit}, but got ${given} instead.`,
  'output_expires_after.seconds',
  code,
];

type Refusal = [message: string, param: string, code: string | null];

for (const [what, change, refusal] of [
  ['no window', { completion_window: undefined }, missing('completion_window')],
  ['no endpoint', { endpoint: undefined }, missing('endpoint')],
  ['no file', { input_file_id: undefined }, missing('input_file_id')],
  ['an empty list of files', { input_file_id: undefined, input_files: [] }, missing('input_file_id')],
  ['an empty file id', { input_file_id: '' }, noFile('')],
  ['too long a file id', { input_file_id: LONG }, noFile(LONG)],
  ['an empty endpoint', { endpoint: '' }, unknownEndpoint('')],
  ['too long an endpoint', { endpoint: LONG }, unknownEndpoint(LONG)],
  ['an endpoint that takes forms', { endpoint: '/v1/images/edits' }, unknownEndpoint('/v1/images/edits')],
  ['an endpoint with a slash behind it', { endpoint: '/v1/embeddings/' }, unknownEndpoint('/v1/embeddings/')],
  ['an empty window', { completion_window: '' }, unknownWindow('')],
  ['too long a window', { completion_window: LONG }, unknownWindow(LONG)],
  ['a window in weeks', { completion_window: '1w' }, unknownWindow('1w')],
  ['a window below the least', { completion_window: '0h' }, unknownWindow('0h')],
  ['a window above the most', { completion_window: '31d' }, unknownWindow('31d')],
  ['no anchor', expiry({ anchor: undefined }), missing('output_expires_after.anchor')],
  [
    'an unknown anchor',
    expiry({ anchor: 'now' }),
    [
      "Invalid value: 'now'. Supported values are: 'created_at'.",
      'output_expires_after.anchor',
      'invalid_value',
    ],
  ],
  ['no seconds', expiry({ seconds: undefined }), missing('output_expires_after.seconds')],
  [
    'too few seconds',
    expiry({ seconds: 3599 }),
    seconds('below minimum', '>=', 3600, 3599, 'integer_below_min_value'),
  ],
  [
    'too many seconds',
    expiry({ seconds: 2_592_001 }),
    seconds('above maximum', '<=', 2_592_000, 2_592_001, 'integer_above_max_value'),
  ],
] as [string, object, Refusal][]) {
  test(`a create call with ${what} is refused exactly so`, () => isRefused(change, refusal));
}

test('an unknown member is no fault', async () => {
  const { status } = await postJson(server, '/v1/batches', { ...good(), color: 'blue', priority: -1 });
  assert.equal(status, 200);
});

test('windows have the bounds that the operator sets', async () => {
  await using strict = await startApiServer({
    settings: { minCompletionWindow: '1h', maxCompletionWindow: '48h' },
  });
  const body = good(await uploadLines(strict, [chatLine('a', 'm')]));
  for (const [window, status] of [
    ['59m', 400],
    ['60m', 200],
    ['1h', 200],
    ['2d', 200],
    ['49h', 400],
  ] as const) {
    const answer = await postJson<OpenAiErrorBody>(strict, '/v1/batches', {
      ...body,
      completion_window: window,
    });
    assert.equal(answer.status, status, window);
    if (status === 400) assert.match(answer.body.error.message, /from '1h' to '48h', such as '24h'\.$/);
  }
});

test("what a workspace's limits forbid now may be tried again, and so may what failed inside", async () => {
  let isBroken = false;
  await using limited = await startApiServer({
    settings: { maxPendingRequests: 1 },
    wrapDatabase: (database) =>
      faultyDatabase(database, (method) => (isBroken && method === 'createBatch' ? 'fail-before' : 'pass')),
  });
  const body = good(await uploadLines(limited, [chatLine('a', 'm'), chatLine('b', 'm')]));
  for (const [status, type, code] of [
    [429, 'requests', 'rate_limit_exceeded'],
    [500, 'server_error', null],
  ] as const) {
    const answer = await postJson<OpenAiErrorBody>(limited, '/v1/batches', body);
    const { error } = answer.body;
    assert.deepEqual([answer.status, error.type, error.param, error.code], [status, type, null, code]);
    assert.equal(answer.headers.get('x-should-retry'), null);
    isBroken = true;
  }
});

function good(file = input): object {
  return { input_file_id: file, endpoint: '/v1/chat/completions', completion_window: '24h' };
}

async function isRefused(change: object, [message, param, code]: Refusal): Promise<void> {
  const { status, body, headers } = await postJson<OpenAiErrorBody>(server, '/v1/batches', {
    ...good(),
    ...change,
  });
  const shown = message.length > 2_000 ? `${message.slice(0, 2_000)}…` : message;
  assert.deepEqual(
    [status, body.error],
    [400, { message: shown, type: 'invalid_request_error', param, code }],
    JSON.stringify(change).slice(0, 200),
  );
  assert.equal(headers.get('x-should-retry'), 'false');
}

function missing(param: string): Refusal {
  return [`Missing required parameter: '${param}'.`, param, 'missing_required_parameter'];
}

function noFile(id: string): Refusal {
  return [`Cannot find file ${id}, or this workspace does not have access to it.`, 'file_id', null];
}

function unknownEndpoint(endpoint: string): Refusal {
  return [`Invalid value: '${endpoint}'. Supported values are: ${ENDPOINTS}.`, 'endpoint', 'invalid_value'];
}

function unknownWindow(window: string): Refusal {
  return [`Invalid value: '${window}'. ${WINDOWS}`, 'completion_window', 'invalid_value'];
}
