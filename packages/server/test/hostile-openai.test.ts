import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { OpenAiBatch, OpenAiBatchList } from '@bora/protocol/openai-batches';
import { filePart, formOf, FORM_TYPE, textPart } from '@bora/testkit/hostile/form';
import type { Part } from '@bora/testkit/hostile/form';
import { bytesOfCall, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { call, postJson, startApiServer, uploadLines } from './api-server.ts';
import { assertOpenAiRefusal } from './openai-refusal.ts';

let server: ApiServer;
let input: string;
let batch: OpenAiBatch;
before(async () => {
  server = await startApiServer();
  server.upstreams.models = ['m'];
  input = await uploadLines(server, [
    { custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body: { model: 'm', messages: [] } },
  ]);
  const made = await postJson<OpenAiBatch>(server, '/v1/batches', create('').replace('HERE', input));
  assert.equal(made.status, 200);
  batch = made.body;
});
after(() => server?.[Symbol.asyncDispose]());

const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);

/** A create call that is good but for the members behind it, of which the last counts. */
function create(members: string): string {
  const good = '"input_file_id":"HERE","endpoint":"/v1/chat/completions","completion_window":"24h"';
  return `{${good}${members === '' ? '' : `,${members}`}}`;
}

function callOf(method: string, path: string, body: string | Uint8Array = '', type?: string): Buffer {
  return bytesOfCall(path, body, type, { method, headers: 'x-stainless-lang: js\r\n' });
}

async function traces(): Promise<object> {
  const { data } = (await call<OpenAiBatchList>(server, '/v1/batches')).body;
  const files = (await call<{ data: object[] }>(server, '/v1/files?limit=100')).body.data.length;
  return { batches: data.length, uploads: files, ...tracesIn(server.dataFolder) };
}

function assertRefused(bytes: Buffer, status: number, wanted: RegExp): Promise<void> {
  return assertOpenAiRefusal(server.url, bytes, { status, wanted }, traces);
}

const CREATES: readonly (readonly [string, string | Uint8Array, number, RegExp])[] = [
  ['nothing', '', 400, /missing_required_parameter/],
  ['null', 'null', 400, /invalid_request/],
  ['a list', '[]', 400, /invalid_request/],
  ['text that is none', '{"input_file_id', 400, /invalid_json/],
  ['60,000 open brackets', '['.repeat(60_000), 400, /invalid_json/],
  ['a list 30,000 deep', nested(30_000), 400, /invalid_request/],
  ['a body of 70 KB', create(`"x":"${'x'.repeat(70_000)}"`), 413, /body_too_large/],
  ['an endpoint of 60 KB', create(`"endpoint":"${'x'.repeat(60_000)}"`), 400, /"param":"endpoint"/],
  ['an endpoint 20,000 deep', create(`"endpoint":${nested(20_000)}`), 400, /"code":"invalid_type"/],
  ['a window of 60 KB', create(`"completion_window":"${'9'.repeat(60_000)}h"`), 400, /completion_window/],
  ['a window of no time', create('"completion_window":"0m"'), 400, /completion_window/],
  ['a window in letters beyond ASCII', create('"completion_window":"２４h"'), 400, /completion_window/],
  ['a file id of 60 KB', create(`"input_file_id":"${'x'.repeat(60_000)}"`), 400, /file_not_found/],
  ['a file id that is a path', create('"input_file_id":"../../etc/passwd"'), 400, /file_not_found/],
  ['a file id with NUL', create('"input_file_id":"\\u0000"'), 400, /file_not_found/],
  ['a file id that is a number', create('"input_file_id":1e999'), 400, /"code":"invalid_type"/],
  ['a list of input files', create('"input_file_id":["a"]'), 400, /"code":"invalid_type"/],
  ['metadata that is deep', create(`"metadata":${nested(20_000)}`), 400, /"param":"metadata"/],
  ['metadata whose value is deep', create(`"metadata":{"a":${nested(20_000)}}`), 400, /"metadata.a"/],
  [
    'a metadata value of 60 KB',
    create(`"metadata":{"a":"${'x'.repeat(60_000)}"}`),
    400,
    /string_above_max_length/,
  ],
  ['a metadata key of 60 KB', create(`"metadata":{"${'k'.repeat(60_000)}":"v"}`), 400, /string_above_max/],
  [
    'a bad value of such a key',
    create(`"metadata":{"${'k'.repeat(60_000)}":1}`),
    400,
    /"code":"invalid_type"/,
  ],
  [
    '5,000 metadata keys',
    create(`"metadata":{${Array.from({ length: 5_000 }, (_, at) => `"k${at}":"v"`).join(',')}}`),
    400,
    /object_above_max_properties/,
  ],
  ['metadata called __proto__', create('"metadata":{"__proto__":"x"}'), 400, /"metadata/],
  [
    'an expiry of no number',
    create('"output_expires_after":{"anchor":"created_at","seconds":1e999}'),
    400,
    /output_expires_after/,
  ],
  ['an expiry that is text', create('"output_expires_after":"never"'), 400, /output_expires_after/],
  ['leniency that is text', create('"bora":{"lenient":"yes"}'), 400, /bora.lenient/],
  ['a body in UTF-16', Buffer.from(create(''), 'utf16le'), 400, /invalid_json/],
];

for (const [what, body, status, wanted] of CREATES) {
  test(`a batch of ${what} is refused with ${status}`, async () => {
    const bytes = typeof body === 'string' ? body.replace('HERE', input) : body;
    await assertRefused(callOf('POST', '/v1/batches', bytes), status, wanted);
  });
}

/** `HERE` is the batch there is. */
const ASKED: readonly (readonly [string, string, number, RegExp])[] = [
  ['GET', '/v1/batches?limit=0', 400, /integer_below_min_value/],
  ['GET', '/v1/batches?limit=101', 400, /integer_above_max_value/],
  ['GET', `/v1/batches?limit=${'9'.repeat(10_000)}`, 400, /"param":"limit"/],
  ['GET', '/v1/batches?limit=NaN', 400, /invalid_type/],
  ['GET', '/v1/batches?limit=1e1', 400, /invalid_type/],
  ['GET', '/v1/batches?after=x', 404, /job_not_found/],
  ['GET', `/v1/batches?after=${'x'.repeat(15_000)}`, 404, /job_not_found/],
  ['GET', '/v1/batches?after=batch_00000000000040008000000000000000', 404, /job_not_found/],
  ['GET', '/v1/batches/x', 404, /job_not_found/],
  ['GET', '/v1/batches/batch_batch_HERE', 404, /job_not_found/],
  ['GET', '/v1/batches/%00', 404, /job_not_found/],
  ['GET', '/v1/batches/..%2f..%2fetc%2fpasswd', 404, /job_not_found/],
  ['GET', '/v1/batches/HERE/..', 404, /unknown_path/],
  ['POST', '/v1/batches/x/cancel', 404, /job_not_found/],
  ['POST', '/v1/batches/%ed%a0%80/cancel', 400, /malformed_http/],
  ['POST', '/v1/batches/batch_00000000000040008000000000000000/cancel', 404, /job_not_found/],
  ['DELETE', '/v1/batches/HERE', 404, /unknown_path/],
  ['GET', '/v1/files?limit=0', 400, /integer_below_min_value/],
  ['GET', '/v1/files?limit=99999999999999999999', 400, /integer_above_max_value/],
  ['GET', '/v1/files?order=sideways', 400, /"param":"order"/],
  ['GET', `/v1/files?order=${'x'.repeat(15_000)}`, 400, /"param":"order"/],
  ['GET', '/v1/files?after=x', 400, /"param":"after"/],
  ['GET', '/v1/files/x', 404, /file_not_found/],
];

for (const [method, path, status, wanted] of ASKED) {
  test(`${method} ${path.length > 70 ? `${path.slice(0, 70)}…` : path} is refused with ${status}`, async () => {
    await assertRefused(callOf(method, path.replace('HERE', batch.id)), status, wanted);
  });
}

test('a body of a cancel call that is a bomb is of no account', async () => {
  const made = await postJson<OpenAiBatch>(server, '/v1/batches', create('').replace('HERE', input));
  const path = `/v1/batches/${made.body.id}/cancel`;
  const answer = await rawCall(server.url, callOf('POST', path, nested(30_000)));
  assert.equal(answer?.status, 200, answer?.body);
});

const purpose = textPart('purpose', 'batch');
const UPLOADS: readonly (readonly [string, readonly Part[], number, RegExp])[] = [
  ['no file', [purpose], 400, /"param":"file"/],
  [
    'a purpose of 1,000 bytes',
    [textPart('purpose', 'x'.repeat(1_000)), filePart()],
    400,
    /"param":"purpose"/,
  ],
  ['a purpose of 10 KB', [textPart('purpose', 'x'.repeat(10_000)), filePart()], 400, /invalid_request/],
  [
    'an expiry without an anchor',
    [purpose, textPart('expires_after[seconds]', '3600'), filePart()],
    400,
    /missing_required_parameter/,
  ],
  [
    'an expiry of no number',
    [
      purpose,
      textPart('expires_after[anchor]', 'created_at'),
      textPart('expires_after[seconds]', '1e9'),
      filePart(),
    ],
    400,
    /expires_after.seconds/,
  ],
  [
    'an expiry of __proto__',
    [purpose, textPart('expires_after[__proto__]', 'x'), filePart()],
    400,
    /expires_after/,
  ],
];

for (const [what, parts, status, wanted] of UPLOADS) {
  test(`an upload with ${what} is refused with ${status}`, async () => {
    await assertRefused(callOf('POST', '/v1/files', formOf(parts), FORM_TYPE), status, wanted);
  });
}

const CALLS: readonly (readonly [string, string | Uint8Array, number, RegExp])[] = [
  ['nothing', '', 400, /invalid_json/],
  ['a list', '[]', 400, /invalid_json/],
  ['a list a million deep', nested(1e6), 400, /invalid_json/],
  ['a million open objects', '{"a":'.repeat(1e6), 400, /invalid_json/],
  ['no model', '{"messages":[]}', 400, /no_model/],
  ['a model that is a million deep', `{"model":${nested(1e6)}}`, 400, /no_model/],
  ['a model of a million letters', `{"model":"${'m'.repeat(1e6)}"}`, 404, /model_not_found/],
  ['half a character as its model', '{"model":"\\ud800"}', 404, /model_not_found/],
  ['a model in latin1', Buffer.from('{"model":"\xe4"}', 'latin1'), 404, /model_not_found/],
  ['17 MB', `{"model":"m","messages":"${'x'.repeat(17e6)}"}`, 413, /body_too_large/],
  ['a body in UTF-16', Buffer.from('{"model":"m"}', 'utf16le'), 400, /invalid_json/],
];

for (const [what, body, status, wanted] of CALLS) {
  test(`a call to be passed through with ${what} is refused with ${status}`, async () => {
    await assertRefused(callOf('POST', '/v1/chat/completions', body), status, wanted);
  });
}
