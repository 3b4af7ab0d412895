import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import { MAX_PART_BYTES, MAX_UPLOAD_BYTES } from '@bora/protocol/openai-uploads';
import type { OpenAiUpload, OpenAiUploadPart } from '@bora/protocol/openai-uploads';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { Collector } from '../src/files/collector.ts';
import { systemClock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { Database } from '../src/storage/ports/database.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { call, postJson, startApiServer } from './api-server.ts';

let ahead = 0;
let server: ApiServer;
before(async () => {
  server = await startApiServer({ ahead: () => ahead });
});
after(() => server?.[Symbol.asyncDispose]());

const GIVEN = { filename: 'in.jsonl', purpose: 'batch', bytes: 3, mime_type: 'application/jsonl' };
type Refusal = [status: number, message: string, param: string | null, code: string | null];

/** What is answered if the database fails at both times that a call asks it. */
const TWICE = {
  createUpload: [500, 200, 200, 200],
  addUploadPart: [200, 500, 200, 200],
  completeUpload: [200, 200, 500, 200],
};

const missing = (param: string): Refusal => [
  400,
  `Missing required parameter: '${param}'.`,
  param,
  'missing_required_parameter',
];

for (const [what, change, refusal] of [
  ['no filename', { filename: undefined }, missing('filename')],
  ['no purpose', { purpose: undefined }, missing('purpose')],
  ['no bytes', { bytes: undefined }, missing('bytes')],
  ['no mime_type', { mime_type: undefined }, missing('mime_type')],
  [
    'a purpose that there is not',
    { purpose: 'ocr' },
    [
      400,
      "'ocr' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals'] - 'purpose'",
      'purpose',
      null,
    ],
  ],
  [
    'a name of no file of requests',
    { filename: 'a.pdf' },
    [400, 'Invalid file format for Batch API. Must be .jsonl', null, null],
  ],
  [
    'more than 8 GiB',
    { bytes: MAX_UPLOAD_BYTES + 1 },
    [
      400,
      "Invalid 'bytes': integer above maximum value. Expected a value <= 8589934592, but got 8589934593 instead.",
      'bytes',
      'integer_above_max_value',
    ],
  ],
  [
    'bytes below none',
    { bytes: -1 },
    [
      400,
      "Invalid 'bytes': integer below minimum value. Expected a value >= 0, but got -1 instead.",
      'bytes',
      'integer_below_min_value',
    ],
  ],
  [
    'bytes as text',
    { bytes: '3' },
    [
      400,
      "Invalid type for 'bytes': expected an integer, but got a string instead.",
      'bytes',
      'invalid_type',
    ],
  ],
  [
    'too little time for its file',
    { expires_after: { anchor: 'created_at', seconds: 60 } },
    [
      400,
      "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 60 instead.",
      'expires_after.seconds',
      'integer_below_min_value',
    ],
  ],
] as [string, object, Refusal][]) {
  test(`an upload with ${what} is refused before its first part`, async () => {
    assertRefusal(await postJson<OpenAiErrorBody>(server, '/v1/uploads', { ...GIVEN, ...change }), refusal);
  });
}

test('8 GiB are within what may come', async () => {
  assert.equal((await begin({ bytes: MAX_UPLOAD_BYTES })).bytes, MAX_UPLOAD_BYTES);
});

test("what a workspace's limits forbid is refused at once, or at the part that is too much", async () => {
  await using small = await startApiServer({ settings: { maxFileBytes: 100, maxStoredBytes: 50 } });
  assertRefusal(await postJson(small, '/v1/uploads', { ...GIVEN, bytes: 101 }), [
    413,
    'The file is of 101 bytes, more than 100, the limit of this server. Split it into several files.',
    'bytes',
    null,
  ]);
  assertRefusal(await postJson(small, '/v1/uploads', { ...GIVEN, bytes: 51 }), [
    413,
    'The workspace has room for 50 more bytes, and the file is larger. Delete files that are not needed, or ask an admin for more.',
    null,
    null,
  ]);
  const { id } = await begin({ bytes: 30 }, small);
  assert.equal((await sendPart(id, 'x'.repeat(30), 'data', small)).status, 200);
  assertRefusal(await sendPart(id, 'x'.repeat(30), 'data', small), [
    413,
    "The workspace's files hold 30 bytes, and with this one they would hold more than 50. Delete files that are not needed, or ask an admin for more.",
    null,
    null,
  ]);
});

test('a part is called data, and has at most 64 MiB', async () => {
  const { id } = await begin();
  assertRefusal(await sendPart(id, '{}\n', 'file'), [
    400,
    'body.file: The part that holds the file must be called "data", but this one is called "file"',
    'file',
    null,
  ]);
  assertRefusal(await sendPart(id, new Uint8Array(MAX_PART_BYTES + 1)), [
    413,
    'A part of an upload may have at most 67108864 bytes. Send it as several parts.',
    'data',
    null,
  ]);
  assertRefusal(await call(server, `/v1/uploads/${id}/parts`, { method: 'POST', body: '{}' }), [
    415,
    'An upload is multipart/form-data with a part "data", but the content type is "text/plain;charset=UTF-8".',
    null,
    null,
  ]);
  assert.equal((await sendPart(id, new Uint8Array(MAX_PART_BYTES))).status, 200);
});

test('a part whose form breaks off behind it is none', async () => {
  const added: string[] = [];
  const counting = (database: Database): Database =>
    Object.assign(Object.create(database) as Database, {
      addUploadPart: (...args: Parameters<Database['addUploadPart']>) => {
        added.push(args[0].id);
        return database.addUploadPart(...args);
      },
    });
  await using other = await startApiServer({ wrapDatabase: counting });
  const { id } = await begin({}, other);
  const sending = request(`${other.url}/v1/uploads/${id}/parts`, {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b', 'content-length': 1000 },
  });
  const broken = once(sending, 'error');
  const form = '--b\r\ncontent-disposition: form-data; name="data"; filename="p"\r\n\r\n{}\n\r\n--b\r\n';
  await new Promise((resolve) => sending.write(form, resolve));
  const first = await sendPart(id, '{}\n', 'data', other);
  sending.destroy(new Error('gone'));
  await broken;
  const second = await sendPart(id, '{}\n', 'data', other);
  assert.deepEqual(added, [first.body.id, second.body.id]);
});

test('an upload that is not there is not found, in any way', async () => {
  for (const what of ['parts', 'complete', 'cancel']) {
    assertRefusal(await postJson(server, `/v1/uploads/upload_x/${what}`, {}), [
      404,
      'No such Upload object: upload_x',
      'upload_id',
      null,
    ]);
  }
});

test('an hour later an upload has expired, and its parts are collected', async () => {
  const { id } = await begin({ bytes: 100_000 });
  const part = await sendPart(id, 'x'.repeat(100_000));
  ahead += 3_600_000;
  const expired = (what: string): Refusal => [409, `Upload ${id} is expired, so ${what}.`, null, null];
  assertRefusal(await sendPart(id, 'x'), expired('no part can be added. Create another one'));
  assertRefusal(await complete(id, [part.body.id]), expired('it cannot be completed. Create another one'));
  assertRefusal(await postJson(server, `/v1/uploads/${id}/cancel`, {}), expired('it cannot be cancelled'));

  const clock = { ...systemClock, now: () => systemClock.now() + ahead };
  const collector = new Collector({ ...server, clock, log: silentLog });
  await collector.runOnce();
  ahead += 3_600_000;
  const { erased } = await collector.runOnce();
  assert.ok(erased > 0);
});

test('completing at once from several sides reads the parts once', async () => {
  let reads = 0;
  await using counting = await startApiServer({
    wrapBlobs: (blobs) =>
      Object.assign(Object.create(blobs) as BlobStore, {
        create: (name: string) => blobs.create(name),
        freeBytes: () => blobs.freeBytes(),
        read: (...args: Parameters<BlobStore['read']>) => {
          reads += 1;
          return blobs.read(...args);
        },
      }),
  });
  const { id } = await begin({ bytes: 4_000_000 }, counting);
  const { body: part } = await sendPart(id, 'x'.repeat(4_000_000), 'data', counting);
  const given = { part_ids: [part.id] };
  const send = (): Promise<Answer<OpenAiUpload>> => postJson(counting, `/v1/uploads/${id}/complete`, given);
  const answers = await Promise.all([send(), send(), send()]);
  assert.deepEqual(
    answers.map(({ body }) => body.file?.bytes),
    [4_000_000, 4_000_000, 4_000_000],
  );
  assert.equal(reads, 1);
});

test('a file of more lines than allowed is refused when it is complete, and its upload stays', async () => {
  await using small = await startApiServer({ settings: { maxFileLines: 1 } });
  const { id } = await begin({ bytes: 6 }, small);
  const { body } = await sendPart(id, '{}\n{}\n', 'data', small);
  const answer = await postJson<OpenAiErrorBody>(small, `/v1/uploads/${id}/complete`, {
    part_ids: [body.id],
  });
  assertRefusal(answer, [
    413,
    'The file has 2 lines, more than 1, the limit of this server. Split it into several files.',
    null,
    null,
  ]);
  assert.equal((await postJson(small, `/v1/uploads/${id}/cancel`, {})).status, 200);
});

for (const method of ['createUpload', 'addUploadPart', 'completeUpload'] as const) {
  for (const fate of ['fail-before', 'fail-after-commit'] as const) {
    for (const failures of [1, 2]) {
      test(`${method}, ${fate}, ${failures} times: what is answered holds, and a second try makes the file whole`, async () => {
        let left = failures;
        await using faulty = await startApiServer({
          wrapDatabase: (database) =>
            faultyDatabase(database, (called) => (called === method && left-- > 0 ? fate : 'pass')),
        });
        const statuses: number[] = [];
        const answered = async <Body>(send: () => Promise<Answer<Body>>): Promise<Body> => {
          const { status, body } = await send();
          statuses.push(status);
          return status === 200 ? body : answered(send);
        };
        const { id } = await answered(() => postJson<OpenAiUpload>(faulty, '/v1/uploads', GIVEN));
        const part = await answered(() => sendPart(id, '{}\n', 'data', faulty));
        const given = { part_ids: [part.id] };
        const { file } = await answered(() =>
          postJson<OpenAiUpload>(faulty, `/v1/uploads/${id}/complete`, given),
        );
        assert.deepEqual(statuses, failures === 1 ? [200, 200, 200] : TWICE[method]);
        const content = await fetch(`${faulty.url}/v1/files/${file!.id}/content`);
        assert.equal(await content.text(), '{}\n');
        assert.equal((await faulty.database.workspaceUsage(faulty.workspaceId))?.files, 1);
      });
    }
  }
}

async function begin(given: object = {}, of = server): Promise<OpenAiUpload> {
  const { status, body } = await postJson<OpenAiUpload>(of, '/v1/uploads', { ...GIVEN, ...given });
  assert.equal(status, 200);
  return body;
}

function sendPart(
  uploadId: string,
  content: string | Uint8Array<ArrayBuffer>,
  name = 'data',
  of = server,
): Promise<Answer<OpenAiUploadPart & OpenAiErrorBody>> {
  const body = new FormData();
  body.append(name, new Blob([content]), 'part');
  return call(of, `/v1/uploads/${uploadId}/parts`, { method: 'POST', body });
}

function complete(
  uploadId: string,
  part_ids: readonly string[],
): Promise<Answer<OpenAiUpload & OpenAiErrorBody>> {
  return postJson(server, `/v1/uploads/${uploadId}/complete`, { part_ids });
}

function assertRefusal(
  { status, body, headers }: Answer<OpenAiErrorBody>,
  [expected, message, param, code]: Refusal,
): void {
  assert.deepEqual([status, body.error], [expected, { message, type: 'invalid_request_error', param, code }]);
  assert.equal(headers.get('x-should-retry'), 'false');
}
