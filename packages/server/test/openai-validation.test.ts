import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { OPENAI_REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import { Budget } from '../src/batches/budget.ts';
import { findFaults } from '../src/batches/find-faults.ts';
import type { FaultSearch } from '../src/batches/find-faults.ts';
import { wordsFor } from '../src/batches/lines/fault-words.ts';
import type { RequestRules } from '../src/batches/lines/request-rules.ts';
import type { ContentDependencies } from '../src/files/content.ts';
import { LineIndexer } from '../src/files/line-index.ts';
import type { InputFaults } from '../src/storage/ports/batch-records.ts';
import type { LineIndexSummary } from '../src/storage/ports/file-records.ts';

const CHAT = '/v1/chat/completions';
const MESSAGES = [{ role: 'user', content: 'hello' }];
const MAX_LINE_BYTES = 1_000;

type Line = Readonly<Record<string, unknown>>;

function line(change: Line = {}, body: Line = {}): Line {
  return {
    custom_id: 'a',
    method: 'POST',
    url: CHAT,
    body: { model: 'm', messages: MESSAGES, ...body },
    ...change,
  };
}

function textOf(lines: readonly (Line | string)[]): Buffer {
  return Buffer.from(
    lines.map((each) => `${typeof each === 'string' ? each : JSON.stringify(each)}\n`).join(''),
  );
}

interface Search extends Partial<RequestRules> {
  readonly maxRequests?: number;
  readonly isLenient?: boolean;
  /** The index that the upload made; null: none; default: today's. */
  readonly index?: LineIndexSummary | null;
  readonly reading?: Budget;
  /** Called as the file begins to be read, which waits for it. */
  readonly onRead?: () => void | Promise<void>;
}

interface Found {
  readonly faults: InputFaults | null;
  /** How often the file was read. */
  readonly reads: number;
}

async function search(
  content: Uint8Array,
  {
    maxRequests,
    isLenient = false,
    index,
    reading = new Budget(1),
    onRead = () => {},
    ...rules
  }: Search = {},
): Promise<Found> {
  const endpoint = rules.endpoint ?? CHAT;
  const wanted: FaultSearch = {
    rules: {
      endpoint,
      endpoints: Object.keys(OPENAI_REQUIRED_MEMBERS),
      required: OPENAI_REQUIRED_MEMBERS[endpoint as keyof typeof OPENAI_REQUIRED_MEMBERS] ?? [],
      models: ['m', 'n'],
      mixedModels: 'allow',
      ...rules,
    },
    maxRequests: maxRequests ?? null,
    maxLineBytes: MAX_LINE_BYTES,
    reading,
  };
  let reads = 0;
  const deps: ContentDependencies = {
    database: {
      readManifest: async (_, offset) => {
        if (offset === 0) {
          reads += 1;
          await onRead();
        }
        return [{ start: 0, length: content.length, blob: { kind: 'inline', bytes: content } }];
      },
    },
    blobs: {
      read: () => {
        throw new Error('The content is inline.');
      },
    },
  };
  const indexer = new LineIndexer(MAX_LINE_BYTES);
  indexer.push(content);
  const lineIndex = index === undefined ? indexer.finish().summary : index;
  const inputs = [{ fileId: 'f', bytes: content.length, lineIndex }];
  return { faults: await findFaults(deps, { inputs, isLenient }, wanted), reads };
}

/** A bad line between two good ones, and what the second of three lines is told. */
const ROWS: readonly (readonly [
  name: string,
  bad: Line | string,
  code: string,
  message: string,
  param: string | null,
  with_?: Search,
])[] = [
  ['no JSON', '{"custom_id": ', 'invalid_json_line', 'This line is not parseable as valid JSON.', null],
  ['no object', '[1]', 'invalid_json_line', 'This line is not parseable as valid JSON.', null],
  [
    'no custom_id',
    line({ custom_id: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'custom_id'.",
    'custom_id',
  ],
  [
    'a null custom_id',
    line({ custom_id: null }),
    'missing_required_parameter',
    "Missing required parameter: 'custom_id'.",
    'custom_id',
  ],
  [
    'no method',
    line({ method: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'method'.",
    'method',
  ],
  [
    'no url',
    line({ url: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'url'.",
    'url',
  ],
  [
    'no body',
    line({ body: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'body'.",
    'body',
  ],
  [
    'no messages',
    line({}, { messages: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'messages'.",
    'body.messages',
  ],
  [
    'no model',
    line({}, { model: undefined }),
    'missing_required_parameter',
    "Missing required parameter: 'model'.",
    'body.model',
  ],
  [
    'a custom_id that is no string',
    line({ custom_id: 7 }),
    'invalid_type',
    "Invalid type for 'custom_id': expected a string, but got a number instead.",
    'custom_id',
  ],
  [
    'a url that is no string',
    line({ url: {} }),
    'invalid_type',
    "Invalid type for 'url': expected a string, but got an object instead.",
    'url',
  ],
  [
    'a body that is no object',
    line({ body: 'x' }),
    'invalid_type',
    "Invalid type for 'body': expected an object, but got a string instead.",
    'body',
  ],
  [
    'another endpoint',
    line({ url: '/v1/embeddings' }),
    'invalid_url',
    'The URL provided for this request does not match the batch endpoint.',
    'url',
  ],
  [
    'an endpoint that is none',
    line({ url: '/v1/chat/completion' }),
    'url_not_found',
    "The provided url '/v1/chat/completion' is not supported by the Batch API.",
    'url',
  ],
  [
    'another method',
    line({ method: 'GET' }),
    'invalid_method',
    "The method 'GET' for this request is not supported by the Batch API. Each request must be a 'POST'.",
    'method',
  ],
  [
    'stream',
    line({}, { stream: true }),
    'streaming_unsupported',
    'Chat Completions: Streaming is not supported in the Batch API.',
    'body.stream',
  ],
  [
    'a model that nobody serves',
    line({}, { model: 'x' }),
    'model_not_found',
    "The provided model 'x' is not supported by the Batch API.",
    'body.model',
  ],
  [
    'another model, where they may not differ',
    line({}, { model: 'n' }),
    'mismatched_model',
    "The model 'n' for this request does not match the rest of the batch. Each batch must contain requests for a single model.",
    'body.model',
    { mixedModels: 'refuse' },
  ],
  [
    'a custom_id that comes again',
    line({ custom_id: 'first' }),
    'duplicate_custom_id',
    "The custom_id 'first' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.",
    'custom_id',
  ],
  [
    'too long a line',
    line({}, { messages: 'x'.repeat(MAX_LINE_BYTES) }),
    'line_too_long',
    'This line is longer than a line may be on this server. Refer to large content by URL or file id instead.',
    null,
  ],
];

describe('a batch is refused for', () => {
  for (const [name, bad, code, message, param, changed] of ROWS) {
    test(name, async () => {
      const content = textOf([line({ custom_id: 'first' }), bad, line({ custom_id: 'last' })]);
      const { faults } = await search(content, changed);
      assert.equal(faults?.count, 1);
      const [fault] = faults.first;
      assert.deepEqual({ ...wordsFor(fault, CHAT), line: fault.line }, { code, message, param, line: 2 });
      const withoutIndex = await search(content, { ...changed, index: null });
      assert.deepEqual(withoutIndex.faults?.first, faults.first, 'whether there is an index or not');
    });
  }

  test('bytes that are not UTF-8', async () => {
    const content = Buffer.concat([Buffer.from('{"custom_id":"'), Buffer.from([0xff]), Buffer.from('"}\n')]);
    const { faults } = await search(content);
    assert.deepEqual(faults?.first, [{ kind: 'not-utf8', line: 1, member: null, found: null }]);
    assert.equal(wordsFor(faults.first[0], CHAT).code, 'invalid_json_line');
  });

  test('no request at all', async () => {
    const { faults } = await search(textOf(['', '  ']));
    assert.deepEqual(
      faults?.first.map((fault) => ({ ...wordsFor(fault, CHAT), line: fault.line })),
      [
        {
          code: 'empty_file',
          message: 'The input file is empty. Please ensure that the batch contains at least one request.',
          param: null,
          line: null,
        },
      ],
    );
  });

  test('more requests than a batch may have', async () => {
    const { faults } = await search(textOf([line({ custom_id: 'a' }), line({ custom_id: 'b' })]), {
      maxRequests: 1,
    });
    assert.deepEqual([faults?.count, wordsFor(faults!.first[0], CHAT).code], [1, 'too_many_tasks']);
  });
});

test('a good file is never read: its index tells', async () => {
  const good = [
    line({ custom_id: 'a' }),
    '',
    line({ custom_id: 'b', url: '/chat/completions' }),
    line({ custom_id: 'c' }, { model: 'n', stream: false }),
  ];
  const withMark = Buffer.concat([Buffer.from('\uFEFF'), textOf(good)]);
  for (const content of [
    textOf(good),
    withMark,
    Buffer.from(textOf(good).toString().replaceAll('\n', '\r\n')),
  ]) {
    assert.deepEqual(await search(content), { faults: null, reads: 0 });
    assert.deepEqual(await search(content, { index: null }), { faults: null, reads: 1 });
  }
});

test('an index of an older Bora says nothing of ids and urls, so the file is read', async () => {
  const content = textOf([line()]);
  const indexer = new LineIndexer();
  indexer.push(content);
  const { envelope: _, ...older } = indexer.finish().summary;
  assert.deepEqual(await search(content, { index: older }), { faults: null, reads: 1 });
});

test('any model is good while nobody can tell', async () => {
  const { faults } = await search(textOf([line({}, { model: 'x' })]), { models: 'any' });
  assert.equal(faults, null);
});

test('the first hundred bad lines are kept, and the true number', async () => {
  const lines = Array.from({ length: 350 }, (_, at) =>
    at % 2 === 0 ? line({ custom_id: `${at}` }) : line({ custom_id: `${at}`, method: 'GET' }),
  );
  const { faults } = await search(textOf(lines));
  assert.equal(faults?.count, 175);
  assert.deepEqual(
    faults.first.map((fault) => fault.line),
    Array.from({ length: 100 }, (_, at) => 2 * at + 2),
  );
});

test('repeated ids are told beside other faults, in the order of lines', async () => {
  const content = textOf([
    line({ custom_id: 'a' }),
    line({ custom_id: 'b', method: 'GET' }),
    line({ custom_id: 'a' }),
    'no JSON',
    line({ custom_id: 'a' }),
    line({ custom_id: 'c' }),
  ]);
  const { faults, reads } = await search(content);
  assert.deepEqual(
    faults?.first.map(({ kind, line: at }) => [at, kind]),
    [
      [2, 'method'],
      [3, 'repeated-id'],
      [4, 'not-json'],
      [5, 'repeated-id'],
    ],
  );
  assert.equal(reads, 2, 'the second time for the ids alone');
});

test('a fault shows no more of a text than one can know it by', async () => {
  const long = 'x'.repeat(500);
  const content = textOf([
    line({ custom_id: long }),
    line({ custom_id: long }),
    line({ custom_id: 'b', url: long }),
  ]);
  const { faults } = await search(content);
  assert.deepEqual(
    faults?.first.map(({ kind, found }) => [kind, found?.length]),
    [
      ['repeated-id', 201],
      ['unknown-url', 201],
    ],
  );
});

test('a lenient batch is refused for no line, but for having none', async () => {
  const content = textOf(['no JSON', line({ method: 'GET' })]);
  assert.deepEqual(await search(content, { isLenient: true }), { faults: null, reads: 0 });
  assert.equal((await search(textOf([]), { isLenient: true })).faults?.count, 1);
});

test('what an endpoint requires may be one of several members', async () => {
  const responses = (body: Line): Line => ({
    custom_id: 'a',
    method: 'POST',
    url: '/v1/responses',
    body: { model: 'm', ...body },
  });
  for (const body of [{ input: 'x' }, { prompt: { id: 'p' } }]) {
    assert.deepEqual(await search(textOf([responses(body)]), { endpoint: '/v1/responses' }), {
      faults: null,
      reads: 0,
    });
  }
  const { faults } = await search(textOf([responses({ input: null })]), { endpoint: '/v1/responses' });
  assert.deepEqual(faults?.first, [{ kind: 'missing', line: 1, member: 'body.input', found: null }]);
});

test('one file is read at a time, and what needs no reading does not wait for it', async () => {
  const reading = new Budget(1);
  const gate = Promise.withResolvers<void>();
  const order: string[] = [];
  const bad = textOf([line({ url: '/v1/embeddings' })]);
  const first = search(bad, { reading, onRead: () => (order.push('first'), gate.promise) });
  const second = search(bad, { reading, onRead: () => void order.push('second') });
  assert.equal((await search(textOf([line()]), { reading })).faults, null);
  // More turns than a search takes to its first read.
  for (let turn = 0; turn < 20; turn += 1) await setImmediate();
  assert.deepEqual(order, ['first']);
  gate.resolve();
  assert.deepEqual([(await first).faults?.count, (await second).faults?.count], [1, 1]);
  assert.deepEqual(order, ['first', 'second']);
});
