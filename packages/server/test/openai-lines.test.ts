import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openAiResultLine } from '@bora/protocol/openai-lines';
import { lineFormatOf, ordinalOfLine } from '../src/batches/lines/line-format.ts';
import { nestedError } from '../src/batches/lines/nested-error.ts';
import type { EndReason } from '../src/storage/ports/batch-records.ts';
import type { BatchWork } from '../src/storage/ports/shard-queue.ts';

const FILE = '00000000-0000-4000-8000-000000000000';
const FORMAT = lineFormatOf('openai');

function batch(endReason: EndReason | null = null): BatchWork {
  return {
    id: '0f8fad5b-d9cb-469f-a165-70867728950e',
    workspaceId: 'w',
    dialect: 'openai',
    endpoint: '/v1/chat/completions',
    model: null,
    isLenient: false,
    deadlineAt: null,
    endReason,
  };
}

const REQUEST = { ordinal: 10_000_000, customId: Buffer.from(String.raw`"r\u00e9-1"`) };
const HEX = '0f8fad5bd9cb469fa165000000989680';

function read(line: Uint8Array): unknown {
  assert.equal(line.at(-1), 0x0a);
  return openAiResultLine.parse(JSON.parse(Buffer.from(line).toString()));
}

test('a completed request has its answer byte for byte, under the id that derives from batch and ordinal', () => {
  const answer = '{"seed":9007199254740993,"n":1.0}';
  const line = FORMAT.success(batch(), FILE, REQUEST, 200, Buffer.from(answer));
  assert.equal(
    Buffer.from(line).toString(),
    String.raw`{"id":"batch_req_${HEX}","custom_id":"r\u00e9-1","response":{"status_code":200,"request_id":"${HEX}","body":${answer}},"error":null}` +
      '\n',
  );
  read(line);
  const { head, tail } = FORMAT.around(batch(), FILE, REQUEST, 200);
  assert.deepEqual(Buffer.concat([head, Buffer.from(answer), tail]), Buffer.from(line));
});

test('a request that was refused has the answer under response, and no error', () => {
  const body = '{"error":{"message":"no","type":"t","param":null,"code":null}}';
  const line = FORMAT.failure(batch(), FILE, REQUEST, { status: 400, body: Buffer.from(body) });
  assert.ok(
    Buffer.from(line)
      .toString()
      .includes(`"status_code":400,"request_id":"${HEX}","body":${body}},"error":null}`),
  );
  read(line);
});

test('a request that got no answer has an error, and no response', () => {
  const unanswered = { code: 'request_timeout', message: 'It took too long.' };
  const line = FORMAT.failure(batch(), FILE, REQUEST, { status: 504, body: Buffer.from('{}'), unanswered });
  assert.deepEqual(read(line), {
    id: `batch_req_${HEX}`,
    custom_id: 'ré-1',
    response: null,
    error: unanswered,
  });
});

test('a line without an id gets an empty one, which readers need', () => {
  const line = FORMAT.unanswered!(batch('cancelled'), { ordinal: 0, customId: null });
  assert.equal((read(line) as { custom_id: string }).custom_id, '');
});

test('what is said of requests without an outcome follows why the batch ended', () => {
  const codeOf = (reason: EndReason): string =>
    (read(FORMAT.unanswered!(batch(reason), REQUEST)) as { error: { code: string } }).error.code;
  assert.deepEqual([codeOf('expired'), codeOf('cancelled')], ['batch_expired', 'batch_cancelled']);
  assert.equal(lineFormatOf('mistral').unanswered, null);
});

test('the ordinal is read back from the line of either dialect', () => {
  for (const dialect of ['mistral', 'openai'] as const) {
    for (const ordinal of [0, 9, 10_000_000, 2 ** 40]) {
      const line = lineFormatOf(dialect).success(
        batch(),
        FILE,
        { ordinal, customId: null },
        200,
        Buffer.from('{}'),
      );
      assert.equal(ordinalOfLine(Buffer.from(line).toString()), ordinal);
    }
  }
  assert.equal(ordinalOfLine('{"id":"other-1"'), Infinity);
});

describe('an error body of an upstream becomes the nested one', () => {
  const nested = (message: string, type: string, param: string | null, code: string | null): object => ({
    error: { message, type, param, code },
  });
  const rows: readonly (readonly [name: string, status: number, body: unknown, expected: object])[] = [
    [
      'vLLM, with a number for a code',
      400,
      { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } },
      nested('no', 'BadRequestError', null, '400'),
    ],
    [
      'SGLang and older vLLM, flat',
      400,
      { object: 'error', message: 'no', type: 'BadRequest', param: 'x', code: 400 },
      nested('no', 'BadRequest', 'x', '400'),
    ],
    [
      'Ollama and TGI, a string',
      422,
      { error: 'too long', error_type: 'validation' },
      nested('too long', 'invalid_request_error', null, null),
    ],
    [
      'FastAPI, a sentence',
      404,
      { detail: 'Not Found' },
      nested('Not Found', 'invalid_request_error', null, null),
    ],
    [
      'FastAPI, a list',
      422,
      { detail: [{ msg: 'x' }] },
      nested('[{"msg":"x"}]', 'invalid_request_error', null, null),
    ],
    ['members missing', 500, { error: { message: 'broken' } }, nested('broken', 'server_error', null, null)],
    ['something else', 500, { oops: 1 }, nested('{"oops":1}', 'server_error', null, null)],
  ];
  for (const [name, status, body, expected] of rows) {
    test(name, () => {
      assert.deepEqual(
        JSON.parse(Buffer.from(nestedError(Buffer.from(JSON.stringify(body)), status)).toString()),
        expected,
      );
    });
  }

  test('and stays as it is, byte for byte, where it is so already', () => {
    const body = Buffer.from(
      '{"error": {"message":"no","type":"t","param":null,"code":"c","more":1.0}, "status":400}',
    );
    assert.equal(nestedError(body, 400), body);
  });
});
