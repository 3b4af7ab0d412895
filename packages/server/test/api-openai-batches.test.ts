import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { BatchJob, BatchJobList } from '@bora/protocol/mistral-jobs';
import { openAiBatch, openAiBatchList } from '@bora/protocol/openai-batches';
import type { OpenAiBatch, OpenAiBatchList } from '@bora/protocol/openai-batches';
import { openAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import { openAiFile } from '@bora/protocol/openai-files';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import { call, chatLine, postJson, startApiServer, upload, uploadLines } from './api-server.ts';
import type { ApiServer } from './api-server.ts';

const CHAT = '/v1/chat/completions';
const OPENAI_HEADERS = { 'x-stainless-lang': 'js' };

let server: ApiServer;
let fileId: string;
before(async () => {
  server = await startApiServer();
  fileId = await uploadLines(server, [chatLine('a', 'small')]);
});
after(() => server?.[Symbol.asyncDispose]());

function create<Body = OpenAiErrorBody>(change: object = {}): ReturnType<typeof postJson<Body>> {
  const body = { input_file_id: fileId, endpoint: CHAT, completion_window: '24h', ...change };
  return postJson<Body>(server, '/v1/batches', body);
}

async function created(change: object = {}): Promise<OpenAiBatch> {
  const { status, body } = await create<OpenAiBatch>(change);
  assert.equal(status, 200, JSON.stringify(body));
  return openAiBatch.parse(body);
}

/** What is asked for, and the error that answers it. */
const REFUSED: readonly (readonly [
  name: string,
  change: object,
  message: string,
  param: string | null,
  code: string | null,
])[] = [
  [
    'an unknown endpoint',
    { endpoint: '/v1/invalid/endpoint' },
    "Invalid value: '/v1/invalid/endpoint'. Supported values are: '/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses', '/v1/moderations', and '/v1/images/generations'.",
    'endpoint',
    'invalid_value',
  ],
  ...['1y', '', '24', '-1h', '0m', '31d'].map(
    (window) =>
      [
        `the window ${JSON.stringify(window)}`,
        { completion_window: window },
        `Invalid value: '${window}'. Supported values are a number of minutes, hours or days from '1m' to '30d', such as '24h'.`,
        'completion_window',
        'invalid_value',
      ] as const,
  ),
  [
    'no window',
    { completion_window: undefined },
    "Missing required parameter: 'completion_window'.",
    'completion_window',
    'missing_required_parameter',
  ],
  [
    'no endpoint',
    { endpoint: undefined },
    "Missing required parameter: 'endpoint'.",
    'endpoint',
    'missing_required_parameter',
  ],
  [
    'no file',
    { input_file_id: undefined },
    "Missing required parameter: 'input_file_id'.",
    'input_file_id',
    'missing_required_parameter',
  ],
  [
    'a file id that is no string',
    { input_file_id: 7 },
    "Invalid type for 'input_file_id': expected a string, but got an integer instead.",
    'input_file_id',
    'invalid_type',
  ],
  [
    'a file that is not there',
    { input_file_id: 'file-abc123' },
    'Cannot find file file-abc123, or this workspace does not have access to it.',
    'file_id',
    null,
  ],
  [
    'metadata that is no string',
    { metadata: { tags: ['a'] } },
    "Invalid type for 'metadata.tags': expected a string, but got an array instead.",
    'metadata.tags',
    'invalid_type',
  ],
  [
    'metadata that is no object',
    { metadata: 'x' },
    "Invalid type for 'metadata': expected an object, but got a string instead.",
    'metadata',
    'invalid_type',
  ],
  [
    'too long a value of metadata',
    { metadata: { a: 'x'.repeat(513) } },
    "Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.",
    'metadata.a',
    'string_above_max_length',
  ],
  [
    'too many pairs of metadata',
    { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, 'v'])) },
    "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
    'metadata',
    'object_above_max_properties',
  ],
  [
    'too long a key of metadata',
    { metadata: { ['k'.repeat(65)]: 'v' } },
    `Invalid 'metadata': key '${'k'.repeat(65)}' is too long. Expected a key with maximum length 64, but got one with length 65 instead.`,
    'metadata',
    'string_above_max_length',
  ],
  [
    'too short a life of the results',
    { output_expires_after: { anchor: 'created_at', seconds: 10 } },
    "Invalid 'output_expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 10 instead.",
    'output_expires_after.seconds',
    'integer_below_min_value',
  ],
  [
    'several files of which one is not there',
    { input_file_id: undefined, input_files: ['a', 'b'] },
    'Cannot find file a, or this workspace does not have access to it.',
    'file_id',
    null,
  ],
  [
    'more files than a batch may have',
    { input_file_id: undefined, input_files: Array.from({ length: 1_001 }, () => 'a') },
    "Invalid 'input_files': array too long. Expected an array with maximum length 1000, but got an array with length 1001 instead.",
    'input_files',
    'array_above_max_length',
  ],
];

describe('a create call is refused for', () => {
  for (const [name, change, message, param, code] of REFUSED) {
    test(name, async () => {
      const { status, body, headers } = await create(change);
      assert.equal(status, 400);
      openAiErrorBody.parse(body);
      assert.deepEqual(body.error, { message, type: 'invalid_request_error', param, code });
      assert.equal(
        body.detail,
        message,
        "and clients of Mistral's dialect find the sentence where they look",
      );
      assert.equal(headers.get('x-should-retry'), 'false');
      assert.equal(body.bora?.request_id, headers.get('x-request-id'));
    });
  }

  test('a file of results, or of another purpose', async () => {
    const { body: other } = await upload(server, [
      ['purpose', 'ocr'],
      ['file', new File(['x'], 'a.pdf')],
    ]);
    const { status, body } = await create({ input_file_id: other.id });
    assert.deepEqual([status, body.error.param, body.bora?.code], [400, 'input_file_id', 'wrong_purpose']);
  });

  test('a body that is no JSON, or no object', async () => {
    for (const text of ['{', '[]', '']) {
      const { status, body } = await postJson<OpenAiErrorBody>(server, '/v1/batches', text);
      assert.equal(status, 400);
      assert.equal(body.error.type, 'invalid_request_error');
    }
  });

  test('an endpoint that no upstream is meant to serve', async () => {
    const all = server.upstreams.endpoints;
    server.upstreams.endpoints = ['/v1/embeddings', '/v1/ocr'];
    const { status, body } = await create();
    server.upstreams.endpoints = all;
    assert.equal(status, 400);
    assert.equal(body.error.message, `No upstream is meant to serve ${CHAT}. Served are: /v1/embeddings.`);
  });
});

describe('a create call is taken', () => {
  test('with every optional member null, and members that nobody knows', async () => {
    const batch = await created({ metadata: null, output_expires_after: null, bora: null, color: 'blue' });
    assert.equal(batch.metadata, null);
  });

  for (const [window, seconds] of [
    ['1m', 60],
    ['24h', 86_400],
    ['30d', 30 * 86_400],
  ] as const) {
    test(`with a window of ${window}, which ends so long after it`, async () => {
      const batch = await created({ completion_window: window });
      assert.equal(batch.completion_window, window);
      assert.equal(batch.expires_at, batch.created_at + seconds);
    });
  }

  test('with the limits of metadata reached', async () => {
    const pairs = Array.from({ length: 16 }, (_, at) => [`${at}`.padEnd(64, 'k'), 'v'.repeat(512)]);
    const metadata = Object.fromEntries(pairs) as Record<string, string>;
    assert.deepEqual((await created({ metadata })).metadata, metadata);
  });

  test('with the one file named as a list', async () => {
    const batch = await created({ input_file_id: undefined, input_files: [fileId] });
    assert.equal(batch.input_file_id, fileId);
  });
});

test('a batch that is not there is told so, whatever its id', async () => {
  for (const id of ['batch_abc', randomUUID(), `batch_${randomUUID().replaceAll('-', '')}`]) {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/cancel'],
    ]) {
      const url = `/v1/batches/${encodeURIComponent(id)}${path}`;
      const { status, body } = await call<OpenAiErrorBody>(server, url, { method });
      assert.equal(status, 404);
      assert.deepEqual(body.error, {
        message: `No batch found with id '${id}'.`,
        type: 'invalid_request_error',
        param: null,
        code: null,
      });
    }
  }
});

describe('the list of batches', () => {
  test('is paged by the last id, each batch once, newest first, though many are of the same second', async () => {
    await using own = await startApiServer();
    const input_file_id = await uploadLines(own, [chatLine('a', 'small')]);
    const ids: string[] = [];
    for (let made = 0; made < 25; made++) {
      const body = { input_file_id, endpoint: CHAT, completion_window: '24h' };
      ids.push((await postJson<OpenAiBatch>(own, '/v1/batches', body)).body.id);
    }
    const paged: string[] = [];
    for (let query = '?limit=10'; ; query = `?limit=10&after=${paged.at(-1)}`) {
      const { body } = await call<OpenAiBatchList>(own, `/v1/batches${query}`);
      openAiBatchList.parse(body);
      paged.push(...body.data.map(({ id }) => id));
      assert.deepEqual([body.first_id, body.last_id], [body.data[0].id, body.data.at(-1)?.id]);
      if (!body.has_more) break;
    }
    assert.deepEqual(paged.toSorted(), ids.toSorted());
    const { body } = await call<OpenAiBatchList>(own, '/v1/batches');
    assert.deepEqual([body.data.length, body.has_more], [20, true], 'twenty unless it is asked for more');
    assert.deepEqual(
      body.data.map(({ id }) => id),
      paged.slice(0, 20),
    );
  });

  test('behind a batch that is not there is refused: it would begin anew', async () => {
    const { status, body } = await call<OpenAiErrorBody>(server, '/v1/batches?after=batch_gone');
    assert.deepEqual([status, body.error.message], [404, "No batch found with id 'batch_gone'."]);
  });

  for (const limit of ['0', '101', 'x']) {
    test(`takes no limit of ${limit}`, async () => {
      const { status, body } = await call<OpenAiErrorBody>(server, `/v1/batches?limit=${limit}`);
      assert.deepEqual([status, body.error.param], [400, 'limit']);
    });
  }

  test('is empty where there is none', async () => {
    await using own = await startApiServer();
    const { body } = await call<OpenAiBatchList>(own, '/v1/batches');
    assert.deepEqual(body, { object: 'list', data: [], first_id: null, last_id: null, has_more: false });
  });
});

describe('the same batch in both views', () => {
  test("is found under either id, and shows OpenAI's statuses and times for a job of Mistral's", async () => {
    const job = {
      endpoint: CHAT,
      model: 'small',
      input_files: [fileId],
      timeout_hours: 48,
      metadata: { a: 'b' },
    };
    const { body: made } = await postJson<BatchJob>(server, '/v1/batch/jobs', job);
    for (const id of [made.id, `batch_${made.id.replaceAll('-', '')}`]) {
      const { status, body } = await call<OpenAiBatch>(server, `/v1/batches/${id}`);
      assert.equal(status, 200);
      openAiBatch.parse(body);
      assert.deepEqual(
        {
          id: body.id,
          status: body.status,
          model: body.model,
          input_file_id: body.input_file_id,
          completion_window: body.completion_window,
          expires_at: body.expires_at,
          metadata: body.metadata,
        },
        {
          id: `batch_${made.id.replaceAll('-', '')}`,
          status: 'validating',
          model: 'small',
          input_file_id: fileId,
          completion_window: '48h',
          expires_at: made.created_at + 48 * 3600,
          metadata: { a: 'b' },
        },
      );
    }
    const { body: cancelled } = await call<OpenAiBatch>(server, `/v1/batches/${made.id}/cancel`, {
      method: 'POST',
    });
    assert.equal(cancelled.status, 'cancelled');
    const { body: seen } = await call<BatchJob>(server, `/v1/batch/jobs/${made.id}`);
    assert.deepEqual([seen.status, seen.completed_at], ['CANCELLED', cancelled.cancelled_at]);
  });

  test("shows Mistral's statuses for a batch of OpenAI's, and is cancelled and deleted there", async () => {
    const batch = await created({ metadata: { who: 'openai' } });
    const { body: jobs } = await call<BatchJobList>(server, '/v1/batch/jobs?who=openai');
    assert.deepEqual(
      jobs.data.map(({ id, status, model }) => [`batch_${id.replaceAll('-', '')}`, status, model]),
      [[batch.id, 'QUEUED', 'small']],
    );
    await call(server, `/v1/batch/jobs/${batch.id}/cancel`, { method: 'POST' });
    const { body } = await call<OpenAiBatch>(server, `/v1/batches/${batch.id}`);
    assert.equal(body.status, 'cancelled');
    await call(server, `/v1/batch/jobs/${batch.id}`, { method: 'DELETE' });
    assert.equal((await call(server, `/v1/batches/${batch.id}`)).status, 404);
  });
});

describe("an upload in OpenAI's dialect", () => {
  async function uploaded(
    text: string,
    purpose: string,
    name = 'in.jsonl',
  ): Promise<{ status: number; body: OpenAiFile & OpenAiErrorBody }> {
    const form = new FormData();
    form.append('file', new File([text], name));
    form.append('purpose', purpose);
    return call(server, '/v1/files', { method: 'POST', body: form, headers: OPENAI_HEADERS });
  }

  test('is taken with bad lines: the batch that reads it says what is wrong', async () => {
    const { status, body } = await uploaded('no JSON\n{}\n', 'batch');
    assert.equal(status, 200, JSON.stringify(body));
    openAiFile.parse(body);
    assert.deepEqual([body.purpose, body.status, body.num_lines, body.bytes], ['batch', 'processed', 2, 11]);
    const found = await call<OpenAiFile>(server, `/v1/files/${body.id}`, { headers: OPENAI_HEADERS });
    assert.equal(found.body.status, 'processed');
    assert.equal((await create({ input_file_id: body.id })).status, 200);
  });

  test('is refused for a purpose that there is not', async () => {
    const { status, body } = await uploaded('{}', 'X');
    assert.equal(status, 400);
    assert.deepEqual(body.error, {
      message:
        "'X' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'",
      type: 'invalid_request_error',
      param: 'purpose',
      code: null,
    });
  });

  test('of a file that is not there says so in its words', async () => {
    const id = randomUUID();
    const { status, body } = await call<OpenAiErrorBody>(server, `/v1/files/${id}`, {
      headers: OPENAI_HEADERS,
    });
    assert.equal(status, 404);
    assert.equal(body.error.message, `No such File object: ${id}`);
  });
});
