import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OpenAiBatch, OpenAiBatchError } from '@bora/protocol/openai-batches';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { chatLine, ended, linesOf, openAiClient } from './openai-client.ts';

const CHAT = '/v1/chat/completions';
const opened = new AsyncDisposableStack();

let upstream: ScriptedUpstream;
let client: OpenAI;
before(async () => {
  upstream = opened.use(await startScriptedUpstream(['small'], () => chatAnswer('small', 'yes')));
  const env = { BORA_MAX_FILE_LINES: '400', BORA_MAX_LINE_BYTES: '64KiB' };
  client = openAiClient(opened.use(await startWholeBora({ upstreams: [upstream.url], env })));
});
after(() => opened.disposeAsync());

const LINE = Object.fromEntries(['a', 'b', 'c'].map((id) => [id, JSON.stringify(chatLine(id, id))]));

async function batchOver(...contents: readonly (string | Uint8Array)[]): Promise<OpenAiBatch> {
  const ids: string[] = [];
  for (const content of contents) {
    const file = await client.files.create({
      file: await toFile(Buffer.from(content), 'in.jsonl'),
      purpose: 'batch',
    });
    ids.push(file.id);
  }
  const input = ids.length === 1 ? { input_file_id: ids[0] } : { input_files: ids };
  const asked = { ...input, endpoint: CHAT, completion_window: '24h' } as OpenAI.BatchCreateParams;
  return ended(client, (await client.batches.create(asked)).id);
}

describe('a file runs', () => {
  for (const [name, content, ids] of [
    ['of one line', `${LINE['a']}\n`, ['a']],
    ['of one line without a line break behind it', LINE['a'], ['a']],
    ['whose last line has none', `${LINE['a']}\n${LINE['b']}`, ['a', 'b']],
    ['with CRLF', `${LINE['a']}\r\n${LINE['b']}\r\n`, ['a', 'b']],
    ['with a byte order mark', `\uFEFF${LINE['a']}\n${LINE['b']}\n`, ['a', 'b']],
    ['with a byte order mark and CRLF', `\uFEFF${LINE['a']}\r\n${LINE['b']}`, ['a', 'b']],
    ['with blank lines', `\n \t\n${LINE['a']}\n\r\n\n${LINE['b']}\n\n \n`, ['a', 'b']],
    ['with spaces around its lines', `  ${LINE['a']}\t\n ${LINE['b']} `, ['a', 'b']],
  ] as const) {
    test(name, async () => {
      const batch = await batchOver(content);
      assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
      assert.deepEqual(batch.request_counts, { total: ids.length, completed: ids.length, failed: 0 });
      assert.equal(batch.error_file_id, null);
      const lines = await linesOf(client, batch.output_file_id!);
      assert.deepEqual(
        lines.map(({ custom_id: id }) => id),
        ids,
      );
    });
  }
});

/** What is said of lines, from the first on; null: a good line, or a blank one. */
type Told = Omit<OpenAiBatchError, 'line'> | null;

function told(code: string, param: string | null, message: string): Told {
  return { code, param, message };
}

function missing(param: string): Told {
  return told(
    'missing_required_parameter',
    param,
    `Missing required parameter: '${param.replace('body.', '')}'.`,
  );
}

/** A chat request under its own id, changed. */
function line(id: string, change: object, body: object = {}): string {
  const request = chatLine(id, 'x') as { body: object };
  return JSON.stringify({ ...request, body: { ...request.body, ...body }, ...change });
}

const NO_JSON = told('invalid_json_line', null, 'This line is not parseable as valid JSON.');

/** Lines of one file, each with what is wrong with it. */
const FILE: readonly (readonly [text: string, told: Told])[] = [
  [line('good', {}), null],
  ['', null],
  ['{"custom_id": ', NO_JSON],
  ['[]', NO_JSON],
  ['7', NO_JSON],
  ['\uFEFF{}', NO_JSON],
  [line('', { custom_id: undefined }), missing('custom_id')],
  [line('', { custom_id: null }), missing('custom_id')],
  [
    line('', { custom_id: 7 }),
    told(
      'invalid_type',
      'custom_id',
      "Invalid type for 'custom_id': expected a string, but got a number instead.",
    ),
  ],
  [line('no method', { method: undefined }), missing('method')],
  [
    line('GET', { method: 'GET' }),
    told(
      'invalid_method',
      'method',
      "The method 'GET' for this request is not supported by the Batch API. Each request must be a 'POST'.",
    ),
  ],
  [line('no url', { url: undefined }), missing('url')],
  [
    line('other url', { url: '/v1/embeddings' }),
    told('invalid_url', 'url', 'The URL provided for this request does not match the batch endpoint.'),
  ],
  [
    line('no such url', { url: '/v1/chat/completion' }),
    told('url_not_found', 'url', "The provided url '/v1/chat/completion' is not supported by the Batch API."),
  ],
  [line('no body', { body: undefined }), missing('body')],
  [
    line('text for body', { body: '{}' }),
    told('invalid_type', 'body', "Invalid type for 'body': expected an object, but got a string instead."),
  ],
  [line('no model', {}, { model: undefined }), missing('body.model')],
  [line('null model', {}, { model: null }), missing('body.model')],
  [
    line('number for model', {}, { model: 4.1 }),
    told(
      'invalid_type',
      'body.model',
      "Invalid type for 'body.model': expected a string, but got another type instead.",
    ),
  ],
  [
    line('other model', {}, { model: 'gone' }),
    told('model_not_found', 'body.model', "The provided model 'gone' is not supported by the Batch API."),
  ],
  [line('no messages', {}, { messages: undefined }), missing('body.messages')],
  [
    line('stream', {}, { stream: true }),
    told(
      'streaming_unsupported',
      'body.stream',
      'Chat Completions: Streaming is not supported in the Batch API.',
    ),
  ],
  ['   ', null],
  [
    line('good', {}),
    told(
      'duplicate_custom_id',
      'custom_id',
      "The custom_id 'good' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.",
    ),
  ],
  [
    line('long', {}, { messages: 'x'.repeat(70_000) }),
    told(
      'line_too_long',
      null,
      'This line is longer than a line may be on this server. Refer to large content by URL or file id instead.',
    ),
  ],
  [line('stream false', {}, { stream: false }), null],
  [line('azure', { url: '/chat/completions' }), null],
];

function isFailed({
  status,
  request_counts,
  output_file_id,
  error_file_id,
  usage,
  ...times
}: OpenAiBatch): void {
  assert.deepEqual(
    [status, request_counts, output_file_id, error_file_id, usage.total_tokens],
    ['failed', { total: 0, completed: 0, failed: 0 }, null, null, 0],
  );
  assert.notEqual(times.failed_at, null);
  assert.deepEqual([times.in_progress_at, times.finalizing_at, times.completed_at], [null, null, null]);
}

describe('a batch fails before anything of it is sent, and says', () => {
  test('what is wrong with each line, of every kind of fault, in the order of lines', async () => {
    const sent = upstream.requests.length;
    const batch = await batchOver(FILE.map(([text]) => text).join('\r\n'));
    isFailed(batch);
    const expected = FILE.flatMap(([, wrong], at) => (wrong === null ? [] : [{ ...wrong, line: at + 1 }]));
    assert.deepEqual(batch.errors, { object: 'list', data: expected });
    assert.equal(upstream.requests.length, sent);
  });

  test('the first hundred lines and how many there are', async () => {
    const bad = Array.from({ length: 357 }, (_, at) =>
      line(`${at}`, { method: at % 3 === 0 ? 'POST' : 'PUT' }),
    );
    const batch = await batchOver(bad.join('\n'));
    isFailed(batch);
    assert.equal(batch.errors?.data.length, 101);
    assert.deepEqual(
      batch.errors.data.slice(0, 100).map(({ code, line: at }) => [code, at]),
      bad.flatMap((_, at) => (at % 3 === 0 ? [] : [['invalid_method', at + 1]])).slice(0, 100),
    );
    assert.deepEqual(batch.errors.data[100], {
      code: 'too_many_errors',
      message: '238 lines of the input file are wrong. The first 100 are listed.',
      param: null,
      line: null,
    });
  });

  test('that a file is empty, whatever it is empty of', async () => {
    for (const content of ['', '\n', '\uFEFF', ' \r\n\t\n']) {
      const batch = await batchOver(content);
      isFailed(batch);
      assert.deepEqual(batch.errors?.data, [
        {
          code: 'empty_file',
          message: 'The input file is empty. Please ensure that the batch contains at least one request.',
          param: null,
          line: null,
        },
      ]);
    }
  });

  test('that its files together have too many requests', async () => {
    const lines = Array.from({ length: 401 }, (_, at) => line(`${at}`, {}));
    const batch = await batchOver(lines.slice(0, 200).join('\n'), lines.slice(200).join('\n'));
    isFailed(batch);
    assert.deepEqual(batch.errors?.data, [
      {
        code: 'too_many_tasks',
        message: 'The batch has 401 requests, more than 400. Split the file into several batches.',
        param: null,
        line: null,
      },
    ]);
  });
});

describe('a batch over several files', () => {
  test('runs them in their order, and shows the first', async () => {
    const batch = await batchOver(`${LINE['a']}\n${LINE['b']}`, LINE['c']);
    assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
    const lines = await linesOf(client, batch.output_file_id!);
    assert.deepEqual(
      lines.map(({ custom_id: id }) => id),
      ['a', 'b', 'c'],
    );
    assert.equal(
      (await client.files.retrieve(batch.input_file_id)).bytes,
      `${LINE['a']}\n${LINE['b']}`.length,
    );
  });

  test('fails for a line of any, and for an id that two of them have, and names the file', async () => {
    const batch = await batchOver(`${LINE['a']}\nno JSON`, `${LINE['b']}\n\n${LINE['a']}`);
    isFailed(batch);
    const [first, second] = batch.errors!.data;
    assert.deepEqual(
      [batch.errors!.data.length, first.code, first.line, second.code, second.line],
      [2, 'invalid_json_line', 2, 'duplicate_custom_id', 3],
    );
    assert.equal(first.message, `This line is not parseable as valid JSON. (file ${batch.input_file_id})`);
    assert.doesNotMatch(second.message, new RegExp(batch.input_file_id));
    assert.match(second.message, /^The custom_id 'a' .* in a batch\. \(file [0-9a-f-]{36}\)$/);
  });
});
