import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { openAiErrorBody } from '@bora/protocol/openai-errors';
import type { OpenAiUpload, OpenAiUploadPart } from '@bora/protocol/openai-uploads';
import type { Part } from '@bora/testkit/hostile/form';
import { formOf, FORM_TYPE, GOOD_LINE, textPart } from '@bora/testkit/hostile/form';
import { bytesOfCall, connectTo, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesBecome, tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { call, postJson, startApiServer } from './api-server.ts';
import { assertOpenAiRefusal } from './openai-refusal.ts';

let server: ApiServer;
/** An upload that is pending, what it is to hold, and its one part. */
let upload: OpenAiUpload;
let part: OpenAiUploadPart;
/** A part of another upload. */
let foreign: OpenAiUploadPart;
before(async () => {
  server = await startApiServer();
  upload = await begin(GOOD_LINE.length);
  part = await addPart(upload.id);
  foreign = await addPart((await begin(1)).id);
});
after(() => server?.[Symbol.asyncDispose]());

/** Large enough that it lies in a blob of its own. */
const LARGE = GOOD_LINE.repeat(5_000);
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

function dataPart(content: string | Uint8Array = GOOD_LINE, filename = 'filename="p"'): Part {
  return { headers: [`content-disposition: form-data; name="data"; ${filename}`], content };
}

async function begin(bytes: number, given: object = {}): Promise<OpenAiUpload> {
  const asked = { filename: 'in.jsonl', purpose: 'batch', bytes, mime_type: 'application/jsonl', ...given };
  const { status, body } = await postJson<OpenAiUpload>(server, '/v1/uploads', asked);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

async function addPart(to: string, content = GOOD_LINE): Promise<OpenAiUploadPart> {
  const form = formOf([dataPart(content)]);
  const answer = await rawCall(server.url, bytesOfCall(`/v1/uploads/${to}/parts`, form, FORM_TYPE));
  assert.equal(answer?.status, 200, answer?.body);
  return JSON.parse(answer.body) as OpenAiUploadPart;
}

/** What could stay behind: bytes of parts and files as the database counts them, blobs, and handles on them. */
async function traces(): Promise<object> {
  const usage = await server.database.workspaceUsage(server.workspaceId);
  return { usage, ...tracesIn(server.dataFolder) };
}

function assertRefused(bytes: Buffer, status: number, wanted: RegExp): Promise<void> {
  return assertOpenAiRefusal(server.url, bytes, { status, wanted }, traces);
}

/** A create call that is good but for the members behind it, of which the last counts. */
function create(members: string): string {
  return `{"filename":"in.jsonl","purpose":"batch","bytes":3,"mime_type":"application/jsonl",${members}}`;
}

const CREATES: readonly (readonly [string, string | Uint8Array, number, RegExp])[] = [
  ['nothing', '', 400, /missing_required_parameter/],
  ['null', 'null', 400, /invalid_request/],
  ['a list', '[]', 400, /invalid_request/],
  ['half an object', create('"x":1').slice(0, -1), 400, /invalid_json/],
  ['60,000 open brackets', '['.repeat(60_000), 400, /invalid_json/],
  ['a list 30,000 deep', nested(30_000), 400, /invalid_request/],
  ['70 KB', create(`"x":"${'x'.repeat(70_000)}"`), 413, /body_too_large/],
  ['UTF-16', Buffer.from(create('"x":1'), 'utf16le'), 400, /invalid_json/],
  ['two objects', `${create('"x":1')}{}`, 400, /invalid_json/],
  ['a filename that is a number', create('"filename":1'), 400, /"param":"filename".*"invalid_type"/],
  ['a filename 20,000 deep', create(`"filename":${nested(20_000)}`), 400, /"param":"filename"/],
  ['a filename of requests that ends in NUL', create('"filename":"a.jsonl\\u0000.pdf"'), 400, /\.jsonl/],
  ['a purpose of 60 KB', create(`"purpose":"${'x'.repeat(60_000)}"`), 400, /"param":"purpose"/],
  ['a purpose that is a list', create('"purpose":["batch"]'), 400, /"param":"purpose"/],
  ['a mime_type that is null', create('"mime_type":null'), 400, /"param":"mime_type"/],
  ['half a byte', create('"bytes":0.5'), 400, /"param":"bytes"/],
  ['bytes without end', create('"bytes":1e999'), 400, /"param":"bytes"/],
  ['bytes of 50,000 digits', create(`"bytes":${'9'.repeat(50_000)}`), 400, /"param":"bytes"/],
  ['bytes below none', create('"bytes":-1'), 400, /integer_below_min_value/],
  ['bytes that are no number', create('"bytes":NaN'), 400, /invalid_json/],
  ['an expiry that is text', create('"expires_after":"never"'), 400, /expires_after/],
  ['an expiry of another anchor', create('"expires_after":{"anchor":"now","seconds":3600}'), 400, /anchor/],
  [
    'an expiry in the year 300,000',
    create('"expires_after":{"anchor":"created_at","seconds":9e15}'),
    400,
    /seconds/,
  ],
];

for (const [what, body, status, wanted] of CREATES) {
  test(`an upload of ${what} is refused with ${status}`, async () => {
    await assertRefused(bytesOfCall('/v1/uploads', body), status, wanted);
  });
}

for (const [what, filename, kept] of [
  ['a traversing name', '../../../etc/x.jsonl', 'x.jsonl'],
  ['NUL in its name', 'a\0b.jsonl', 'ab.jsonl'],
  ['a name of 60,000 letters', `${'n'.repeat(60_000)}.jsonl`, 'n'.repeat(255)],
  ['a name that turns the direction', 'a\u202elnosj.jsonl', 'alnosj.jsonl'],
] as const) {
  test(`an upload with ${what} has one that does no harm`, async () => {
    const purpose = kept.endsWith('.jsonl') ? 'batch' : 'user_data';
    assert.equal((await begin(1, { filename, purpose })).filename, kept);
  });
}

const nameless: Part = { headers: ['x: y'], content: 'x' };
const PARTS: readonly (readonly [string, readonly Part[] | Buffer, number, RegExp, string?])[] = [
  ['nothing', Buffer.alloc(0), 400, /bad_multipart/],
  ['no part', [], 400, /"param":"data"/],
  ['text for data', [textPart('x', 'y')], 400, /"param":"data"/],
  [
    'a part called file',
    [{ ...dataPart(), headers: ['content-disposition: form-data; name="file"; filename="p"'] }],
    400,
    /must be called \\"data\\"/,
  ],
  ['two parts of data', [dataPart(LARGE), dataPart(LARGE)], 400, /Only one file/],
  [
    'data and another file',
    [
      dataPart(LARGE),
      { ...dataPart(LARGE), headers: ['content-disposition: form-data; name="x"; filename="p"'] },
    ],
    400,
    /must be called/,
  ],
  ['no end', formOf([dataPart(LARGE)], ''), 400, /bad_multipart/],
  ['another boundary', formOf([dataPart(LARGE)]), 400, /bad_multipart/, 'multipart/form-data; boundary=c'],
  ['no boundary', formOf([dataPart(LARGE)]), 400, /names no boundary/, 'multipart/form-data'],
  ['JSON', Buffer.from('{"data":"x"}'), 415, /not_multipart/, 'application/json'],
  [
    'thousands of text parts',
    [dataPart(LARGE), ...Array.from({ length: 5_000 }, (_, at) => textPart(`x${at}`, 'y'))],
    400,
    /at most 16 text parts/,
  ],
  [
    'thousands of parts without a name',
    [dataPart(LARGE), ...Array.from({ length: 5_000 }, () => nameless)],
    400,
    /at most 64 parts/,
  ],
  [
    'a huge value behind it',
    [dataPart(LARGE), textPart('x', 'x'.repeat(5_000_000))],
    400,
    /at most 1024 bytes/,
  ],
  ['a field twice', [textPart('x', 'y'), dataPart(LARGE), textPart('x', 'y')], 400, /more than once/],
];

for (const [what, body, status, wanted, contentType] of PARTS) {
  test(`a part of ${what} is refused with ${status}`, async () => {
    const bytes = Buffer.isBuffer(body) ? body : formOf(body);
    await assertRefused(
      bytesOfCall(`/v1/uploads/${upload.id}/parts`, bytes, contentType ?? FORM_TYPE),
      status,
      wanted,
    );
  });
}

async function sendChunks(
  to: string,
  chunks: readonly Uint8Array[],
): Promise<{ status: number; body: string }> {
  const { statusCode, body } = await server.app.inject({
    method: 'POST',
    url: `/v1/uploads/${to}/parts`,
    headers: { 'content-type': FORM_TYPE },
    payload: Readable.from(chunks.filter((chunk) => chunk.length > 0)),
  });
  return { status: statusCode, body };
}

test('a part is read alike wherever its bytes are cut, and so is the file', async () => {
  const body = formOf([textPart('x', 'y'), dataPart(`${GOOD_LINE}\r\n--c`)]);
  const cuts = Array.from(body, (_, at) => [body.subarray(0, at), body.subarray(at)]);
  const all = [...cuts, Array.from(body, (_, at) => body.subarray(at, at + 1))];
  const whole = `${GOOD_LINE}\r\n--c`.repeat(all.length);
  const { id } = await begin(whole.length, { filename: 'a.txt', purpose: 'user_data' });
  const ids: string[] = [];
  for (const chunks of all) {
    const { status, body: text } = await sendChunks(id, chunks);
    assert.equal(status, 200, text);
    ids.push((JSON.parse(text) as OpenAiUploadPart).id);
  }
  const given = { part_ids: ids, md5: createHash('md5').update(whole).digest('hex') };
  assert.equal((await postJson(server, `/v1/uploads/${id}/complete`, given)).status, 200);
});

test('a part whose form ends early is refused wherever it ends, and leaves nothing behind', async () => {
  const body = formOf([dataPart(), textPart('x', 'y')]);
  const had = await traces();
  for (let end = 0; end < body.length - '--\r\n'.length; end++) {
    const { status, body: text } = await sendChunks(upload.id, [body.subarray(0, end)]);
    assert.equal(status, 400, body.subarray(0, end).toString());
    assert.equal(openAiErrorBody.parse(JSON.parse(text)).bora?.code, 'bad_multipart');
  }
  assert.deepEqual(await traces(), had);
});

test('a part that stalls, in the middle or before its last byte, is ended with 408 and leaves nothing', async () => {
  await using slow = await startApiServer({ settings: { stallSeconds: 0.1 } });
  const asked = { filename: 'a.jsonl', purpose: 'batch', bytes: 1, mime_type: 'x' };
  const { body } = await postJson<OpenAiUpload>(slow, '/v1/uploads', asked);
  const bytes = bytesOfCall(`/v1/uploads/${body.id}/parts`, formOf([dataPart(LARGE)]), FORM_TYPE);
  for (const end of [bytes.length / 2, bytes.length - 4]) {
    const socket = connectTo(slow.url);
    socket.write(bytes.subarray(0, end));
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => socket.once('close', resolve));
    assert.match(text, /^HTTP\/1\.1 408 .*"code":"call_too_slow"/s);
  }
  await tracesBecome(slow.dataFolder, { files: 0, handles: 0 });
  assert.equal((await slow.database.workspaceUsage(slow.workspaceId))?.storedBytes, 0);
});

test('a part beyond the last that an upload may have is refused, and so is one that comes too late', async () => {
  for (const [kind, status] of [
    ['full', 413],
    ['ended', 409],
  ] as const) {
    await using other = await startApiServer({
      wrapDatabase: (database) =>
        Object.assign(Object.create(database) as typeof database, { addUploadPart: async () => ({ kind }) }),
    });
    const asked = { filename: 'a.jsonl', purpose: 'batch', bytes: 1, mime_type: 'x' };
    const { body } = await postJson<OpenAiUpload>(other, '/v1/uploads', asked);
    const form = formOf([dataPart(LARGE)]);
    const answer = await rawCall(other.url, bytesOfCall(`/v1/uploads/${body.id}/parts`, form, FORM_TYPE));
    assert.equal(answer?.status, status);
    openAiErrorBody.parse(JSON.parse(answer.body));
    // Its bytes go when they are collected: nothing names them.
    assert.equal(tracesIn(other.dataFolder).handles, 0);
    assert.equal((await other.database.workspaceUsage(other.workspaceId))?.storedBytes, 0);
  }
});

/** `PART` is the upload's, `FOREIGN` another's. */
const COMPLETES: readonly (readonly [string, string | Uint8Array, number, RegExp])[] = [
  ['nothing', '', 400, /part_ids.*missing_required_parameter/],
  ['a list', '[]', 400, /invalid_request/],
  ['half a list', '{"part_ids":[', 400, /invalid_json/],
  ['60,000 open brackets', '['.repeat(60_000), 400, /invalid_json/],
  ['200 KB', `{"part_ids":[],"x":"${'x'.repeat(200_000)}"}`, 413, /body_too_large/],
  ['parts that are text', '{"part_ids":"PART"}', 400, /"param":"part_ids".*"invalid_type"/],
  ['parts that are null', '{"part_ids":null}', 400, /"param":"part_ids"/],
  ['parts that are numbers', '{"part_ids":[1e999]}', 400, /part_ids/],
  ['parts 20,000 deep', `{"part_ids":${nested(20_000)}}`, 400, /part_ids/],
  ['2,001 parts', `{"part_ids":[${'"x",'.repeat(2_000)}"x"]}`, 400, /"param":"part_ids"/],
  ['no part', '{"part_ids":[]}', 400, /The parts have 0 bytes, but the upload is of/],
  ['a part twice', '{"part_ids":["PART","PART"]}', 400, /is in it twice/],
  [
    'a part twice among many',
    `{"part_ids":["PART",${Array.from({ length: 1_900 }, (_, at) => `"${at}"`).join(',')},"PART"]}`,
    400,
    /is in it twice/,
  ],
  ['a part of nobody', '{"part_ids":["part_00000000000040008000000000000000"]}', 400, /has no part/],
  ['a part of another upload', '{"part_ids":["FOREIGN"]}', 400, /has no part/],
  ['a part and a foreign one', '{"part_ids":["PART","FOREIGN"]}', 400, /has no part/],
  ['a part in capitals', '{"part_ids":["PART "]}', 400, /has no part/],
  ['a part called __proto__', '{"part_ids":["__proto__"]}', 400, /has no part/],
  ['a part with NUL', '{"part_ids":["PART\\u0000"]}', 400, /has no part/],
  ['a part of 60 KB', `{"part_ids":["${'x'.repeat(60_000)}"]}`, 400, /has no part/],
  ['an MD5 that is wrong', `{"part_ids":["PART"],"md5":"${'0'.repeat(32)}"}`, 400, /The parts have the MD5/],
  ['an MD5 that is none', `{"part_ids":["PART"],"md5":"${'g'.repeat(32)}"}`, 400, /"param":"md5"/],
  ['an MD5 of 60 KB', `{"part_ids":["PART"],"md5":"${'0'.repeat(60_000)}"}`, 400, /"param":"md5"/],
  ['an MD5 20,000 deep', `{"part_ids":["PART"],"md5":${nested(20_000)}}`, 400, /"param":"md5"/],
];

for (const [what, body, status, wanted] of COMPLETES) {
  test(`completing an upload with ${what} is refused with ${status}, and it stays open`, async () => {
    const bytes =
      typeof body === 'string' ? body.replaceAll('PART', part.id).replaceAll('FOREIGN', foreign.id) : body;
    await assertRefused(bytesOfCall(`/v1/uploads/${upload.id}/complete`, bytes), status, wanted);
    const now = await server.database.getUpload(server.workspaceId, upload.id);
    assert.equal(now?.state, 'pending');
  });
}

for (const bytes of [GOOD_LINE.length - 1, GOOD_LINE.length + 1, 0, 8 * 1024 ** 3]) {
  test(`an upload that said ${bytes} bytes and has ${GOOD_LINE.length} is not completed`, async () => {
    const { id } = await begin(bytes);
    const { id: only } = await addPart(id);
    const body = JSON.stringify({ part_ids: [only] });
    await assertRefused(
      bytesOfCall(`/v1/uploads/${id}/complete`, body),
      400,
      /wrong_parts.*bytes, but the upload is of/,
    );
  });
}

for (const [method, path, status, wanted] of [
  ['POST', '/v1/uploads/x/parts', 404, /upload_not_found/],
  ['POST', '/v1/uploads/%00/complete', 404, /upload_not_found/],
  ['POST', '/v1/uploads/__proto__/cancel', 404, /upload_not_found/],
  ['POST', '/v1/uploads/..%2f..%2fetc%2fpasswd/cancel', 404, /upload_not_found/],
  ['POST', `/v1/uploads/upload_${'0'.repeat(32)}/complete`, 404, /upload_not_found/],
  ['POST', `/v1/uploads/${randomUUID()}/parts`, 404, /upload_not_found/],
  ['POST', '/v1/uploads/%ff/cancel', 400, /malformed_http/],
  ['POST', '/v1/uploads//cancel', 404, /upload_not_found|unknown_path/],
  ['GET', '/v1/uploads', 404, /unknown_path/],
  ['GET', '/v1/uploads/HERE', 404, /unknown_path/],
  ['DELETE', '/v1/uploads/HERE', 404, /unknown_path/],
] as const) {
  test(`${method} ${path} is refused with ${status}`, async () => {
    const bytes = bytesOfCall(path.replace('HERE', upload.id), '{"part_ids":[]}').toString('latin1');
    await assertRefused(Buffer.from(bytes.replace('POST', method), 'latin1'), status, wanted);
  });
}

test('a body of a cancel call that is a bomb is of no account, and a cancelled upload leaves nothing', async () => {
  const had = await traces();
  const { id } = await begin(LARGE.length);
  await addPart(id, LARGE);
  const answer = await rawCall(server.url, bytesOfCall(`/v1/uploads/${id}/cancel`, nested(30_000)));
  assert.equal(answer?.status, 200, answer?.body);
  // Its bytes go an hour later, when they are collected.
  const { usage, handles } = (await traces()) as { usage: object; handles: number };
  assert.deepEqual([usage, handles], [(had as { usage: object }).usage, 0]);
  const again = await call(server, `/v1/uploads/${id}/complete`, { method: 'POST', body: '{"part_ids":[]}' });
  assert.equal(again.status, 409);
});
