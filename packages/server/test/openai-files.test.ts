import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import type { ApiServer } from './api-server.ts';
import { call, startApiServer } from './api-server.ts';

let server: ApiServer;
before(async () => {
  server = await startApiServer({ settings: { maxFileBytes: 1000 } });
});
after(() => server?.[Symbol.asyncDispose]());

const OPENAI = { 'x-stainless-lang': 'js' };
const FILE = new File(['{}'], 'in.jsonl');
const NONE = '00000000-0000-4000-8000-000000000000';

type Parts = readonly (readonly [string, string | File])[];

for (const [what, parts, status, error] of [
  [
    'no purpose',
    [['file', FILE]],
    400,
    ["Missing required parameter: 'purpose'.", 'purpose', 'missing_required_parameter'],
  ],
  [
    'a purpose that there is not',
    [
      ['file', FILE],
      ['purpose', 'ocr'],
    ],
    400,
    [
      "'ocr' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'",
      'purpose',
      null,
    ],
  ],
  [
    'a file that is none of requests',
    [
      ['purpose', 'batch'],
      ['file', new File(['%PDF'], 'a.pdf')],
    ],
    400,
    ['Invalid file format for Batch API. Must be .jsonl', null, null],
  ],
  [
    'too little time',
    [
      ['purpose', 'batch'],
      ['expires_after[anchor]', 'created_at'],
      ['expires_after[seconds]', '3599'],
      ['file', FILE],
    ],
    400,
    [
      "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 3599 instead.",
      'expires_after.seconds',
      'integer_below_min_value',
    ],
  ],
  [
    'too much time',
    [
      ['purpose', 'batch'],
      ['expires_after[anchor]', 'created_at'],
      ['expires_after[seconds]', '2592001'],
      ['file', FILE],
    ],
    400,
    [
      "Invalid 'expires_after.seconds': integer above maximum value. Expected a value <= 2592000, but got 2592001 instead.",
      'expires_after.seconds',
      'integer_above_max_value',
    ],
  ],
  [
    'another anchor',
    [
      ['expires_after[anchor]', 'last_active_at'],
      ['expires_after[seconds]', '3600'],
      ['purpose', 'batch'],
      ['file', FILE],
    ],
    400,
    [
      "Invalid value: 'last_active_at'. Supported values are: 'created_at'.",
      'expires_after.anchor',
      'invalid_value',
    ],
  ],
  [
    'no anchor',
    [
      ['expires_after[seconds]', '3600'],
      ['purpose', 'batch'],
      ['file', FILE],
    ],
    400,
    [
      "Missing required parameter: 'expires_after.anchor'.",
      'expires_after.anchor',
      'missing_required_parameter',
    ],
  ],
  ['no file', [['purpose', 'batch']], 400, ['body.file: Field required', 'file', null]],
  [
    'too large a file',
    [
      ['purpose', 'batch'],
      ['file', new File(['x'.repeat(1001)], 'in.jsonl')],
    ],
    413,
    [
      'The file is larger than 1000 bytes, the limit of this server. Split it into several files.',
      null,
      null,
    ],
  ],
] as [string, Parts, number, [string, string | null, string | null]][]) {
  test(`an upload with ${what} is refused in OpenAI's words, and nothing is kept`, async () => {
    const body = new FormData();
    for (const [name, value] of parts) body.append(name, value);
    const answer = await call<OpenAiErrorBody>(server, '/v1/files', {
      method: 'POST',
      headers: OPENAI,
      body,
    });
    assertRefusal(answer, status, error);
    assert.deepEqual(await ids(), []);
  });
}

for (const [path, status, error] of [
  ['/v1/files/file-abc', 404, ['No such File object: file-abc', 'id', null]],
  [`/v1/files/${NONE}`, 404, [`No such File object: ${NONE}`, 'id', null]],
  [`/v1/files/${NONE}/content`, 404, [`No such File object: ${NONE}`, 'id', null]],
  [
    `/v1/files?after=${NONE}`,
    400,
    [`Invalid 'after': there is no file "${NONE}". Begin at the first page again.`, 'after', 'invalid_value'],
  ],
  [
    '/v1/files?after=file-abc',
    400,
    [
      `Invalid 'after': there is no file "file-abc". Begin at the first page again.`,
      'after',
      'invalid_value',
    ],
  ],
  [
    '/v1/files?limit=0',
    400,
    [
      "Invalid 'limit': integer below minimum value. Expected a value >= 1, but got 0 instead.",
      'limit',
      'integer_below_min_value',
    ],
  ],
  [
    '/v1/files?limit=10001',
    400,
    [
      "Invalid 'limit': integer above maximum value. Expected a value <= 10000, but got 10001 instead.",
      'limit',
      'integer_above_max_value',
    ],
  ],
  [
    '/v1/files?order=down',
    400,
    ["Invalid value: 'down'. Supported values are: 'asc' and 'desc'.", 'order', 'invalid_value'],
  ],
] as [string, number, [string, string | null, string | null]][]) {
  test(`${path} is refused in OpenAI's words`, async () => {
    assertRefusal(await call<OpenAiErrorBody>(server, path, { headers: OPENAI }), status, error);
  });
}

test("a parameter that OpenAI's lists alone have is answered in its dialect, without a header that tells it", async () => {
  const { body } = await call<OpenAiErrorBody>(server, '/v1/files?limit=0');
  assert.equal(body.error.param, 'limit');
});

function assertRefusal(
  { status, body, headers }: { status: number; body: OpenAiErrorBody; headers: Headers },
  expected: number,
  [message, param, code]: [string, string | null, string | null],
): void {
  assert.deepEqual([status, body.error], [expected, { message, type: 'invalid_request_error', param, code }]);
  assert.equal(headers.get('x-should-retry'), 'false');
  assert.ok(headers.get('x-request-id'));
}

async function ids(): Promise<string[]> {
  const { files } = await server.database.listFiles(server.workspaceId, {
    viewer: null,
    page: 0,
    pageSize: 100,
    includeTotal: false,
  });
  return files.map(({ id }) => id);
}
