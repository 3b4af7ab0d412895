import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { textOf } from '@bora/client/answers';
import type { ChatAnswer, Content } from '@bora/client/answers';
import { partsOf } from '@bora/client/request-parts';
import type { PartLimits } from '@bora/client/request-parts';
import { previewRequests } from '@bora/client/request-preview';
import * as builders from '@bora/client/request-builders';
import type { BatchRequest } from '@bora/client/request-builders';
import * as check from '@bora/client/request-check';
import { resultsByCustomId } from '@bora/client/results-by-id';
import { UsageTotal } from '@bora/client/usage-total';
import type { RequestOutcome } from '@bora/client/outcome';
import { BATCH_ENDPOINTS, REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import { createBatchJob } from '@bora/protocol/mistral-jobs';

const CHAT = { endpoint: '/v1/chat/completions', model: 'm' } as const;
const ROOMY: PartLimits = { maxRequests: 1_000, maxBytes: 1_000_000 };

const BUILT: Readonly<Record<BatchEndpoint, BatchRequest>> = {
  '/v1/chat/completions': builders.forChat('hello', { max_tokens: 5 }, 'a'),
  '/v1/fim/completions': builders.forFim('def f(', { suffix: 'return 1' }, 'a'),
  '/v1/embeddings': builders.forEmbeddings(['one', 'two'], {}, 'a'),
  '/v1/moderations': builders.forModeration('text', {}, 'a'),
  '/v1/chat/moderations': builders.forChatModeration('text', {}, 'a'),
  '/v1/classifications': builders.forClassification('text', {}, 'a'),
  '/v1/chat/classifications': builders.forChatClassification('text', {}, 'a'),
  '/v1/ocr': builders.forOcr({ document_url: 'https://example.org/a.pdf' }, { pages: [0] }, 'a'),
  '/v1/conversations': builders.forConversation('hello', { store: false }, 'a'),
  '/v1/audio/transcriptions': builders.forTranscription({ file_url: 'https://example.org/a.mp3' }, {}, 'a'),
};

test('there is a builder for each endpoint, and what it builds is a request that the wire takes', () => {
  for (const endpoint of BATCH_ENDPOINTS) {
    const { custom_id: id, body } = BUILT[endpoint];
    assert.equal(id, 'a');
    assert.ok(
      REQUIRED_MEMBERS[endpoint].some((name) => body[name] !== undefined),
      endpoint,
    );
    createBatchJob.parse({ endpoint, model: 'm', requests: [BUILT[endpoint]] });
  }
});

test('the client knows what each endpoint needs as the server does', () => {
  assert.deepEqual(check.REQUIRED_MEMBERS, REQUIRED_MEMBERS);
});

test('a builder adds nothing but what it is told, and passes members on that it does not know', () => {
  assert.deepEqual(builders.forChat('hello', { reasoning_effort: 'low', model: 'x' }), {
    body: { reasoning_effort: 'low', model: 'x', messages: [{ role: 'user', content: 'hello' }] },
  });
  assert.deepEqual(builders.forChat([{ role: 'system', content: 's' }]).body, {
    messages: [{ role: 'system', content: 's' }],
  });
  assert.deepEqual(builders.forOcr({ file_id: 'f' }).body, { document: { type: 'file', file_id: 'f' } });
  assert.deepEqual(builders.forOcr({ image_url: 'u' }).body['document'], {
    type: 'image_url',
    image_url: 'u',
  });
});

test('the preview checks what each endpoint needs, with the model of the job put in', async () => {
  for (const endpoint of BATCH_ENDPOINTS) {
    const whole = await previewRequests([BUILT[endpoint]], { endpoint, model: 'm' });
    assert.deepEqual(whole.problems, [], endpoint);
    const lacking = await previewRequests([{ body: { model: 'm', other: 1 } }], { endpoint });
    assert.deepEqual(
      lacking.problems.map(({ code }) => code),
      ['missing_member'],
      endpoint,
    );
  }
});

test('the preview names each problem with its place, keeps a hundred and counts them all', async () => {
  const bad = [
    builders.forChat('fine', {}, 'twice'),
    builders.forChat('again', {}, 'twice'),
    { body: { messages: [] }, custom_id: 7 },
    { body: null },
    null,
    { body: { messages: null } },
    { body: { messages: [1n] } },
    builders.forChat('x'.repeat(200)),
  ] as unknown as BatchRequest[];
  const preview = await previewRequests(bad, CHAT, { maxLineBytes: 150, shown: 1 });
  assert.deepEqual(
    preview.problems.map(({ place, customId, code }) => [place, customId, code]),
    [
      [1, 'twice', 'duplicate_custom_id'],
      [2, null, 'invalid_request'],
      [3, null, 'invalid_request'],
      [4, null, 'invalid_request'],
      [5, null, 'missing_member'],
      [6, null, 'invalid_request'],
      [7, 'request-7', 'line_too_long'],
    ],
  );
  assert.match(preview.problems[0].message, /Request 1: .*"twice".*request 0/);
  assert.match(preview.problems[4].message, /"messages", which \/v1\/chat\/completions needs/);
  assert.deepEqual(preview.firstLines, [JSON.stringify(bad[0])]);
  const [noModel] = (await previewRequests([builders.forChat('x')], { endpoint: CHAT.endpoint })).problems;
  assert.equal(noModel.code, 'no_model');

  const many = await previewRequests(
    Array.from({ length: 250 }, () => ({ body: {} })),
    CHAT,
  );
  assert.deepEqual([many.problems.length, many.problemCount, many.requests], [100, 250, 250]);
});

async function read(requests: Iterable<BatchRequest>, limits: PartLimits): Promise<string[]> {
  const parts: string[] = [];
  for await (const { chunks } of partsOf(requests, CHAT, limits)) {
    const bytes: Uint8Array[] = [];
    for await (const chunk of chunks) bytes.push(chunk);
    parts.push(Buffer.concat(bytes).toString());
  }
  return parts;
}

test('a list is cut into parts that keep the limits, lose nothing, and are as few as they can be', async () => {
  const list = fc.array(fc.string({ maxLength: 300 }), { maxLength: 60 });
  const limits = fc.record({
    maxRequests: fc.integer({ min: 1, max: 10 }),
    maxBytes: fc.integer({ min: 2_000, max: 6_000 }),
  });
  await fc.assert(
    fc.asyncProperty(list, limits, async (texts, { maxRequests, maxBytes }) => {
      const requests = texts.map((text) => builders.forChat(text));
      const parts = await read(requests, { maxRequests, maxBytes });
      const lines = parts.map((part) => part.split('\n').slice(0, -1));
      assert.deepEqual(
        lines.flat().map((line) => JSON.parse(line) as unknown),
        requests.map(({ body }, place) => ({ custom_id: `request-${place}`, body })),
      );
      for (const [at, part] of parts.entries()) {
        assert.ok(
          part.endsWith('\n') && lines[at].length <= maxRequests && Buffer.byteLength(part) <= maxBytes,
        );
        const next = lines[at + 1]?.[0];
        if (next === undefined) continue;
        const room = maxBytes - Buffer.byteLength(part);
        assert.ok(lines[at].length === maxRequests || Buffer.byteLength(next) + 1 > room);
      }
    }),
  );
});

test('a bad request and a list that throws end the parts there, and close the list', async () => {
  let closed = 0;
  function* listOf(last: () => BatchRequest): Generator<BatchRequest> {
    try {
      yield builders.forChat('fine');
      yield last();
      yield builders.forChat('never asked for');
    } finally {
      closed += 1;
    }
  }
  const bad = (): BatchRequest => ({ body: {} });
  await assert.rejects(read(listOf(bad), ROOMY), { name: 'InvalidRequest', code: 'missing_member' });
  const broken = (): BatchRequest => {
    throw new Error('the database of prompts is gone');
  };
  await assert.rejects(read(listOf(broken), ROOMY), /prompts is gone/);
  const long = (): BatchRequest => builders.forChat('x'.repeat(400));
  await assert.rejects(read(listOf(long), { maxRequests: 5, maxBytes: 300 }), { code: 'line_too_long' });
  assert.equal(closed, 3);
});

function succeeded(customId: string | null, body: Record<string, unknown>): RequestOutcome {
  return { kind: 'succeeded', id: 'x', customId, ordinal: 0, statusCode: 200, body, error: null };
}

test('usage is added up over whatever answers say of it', () => {
  const usage = new UsageTotal();
  usage.add(succeeded('a', { usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 } }));
  usage.add(succeeded('b', { usage: { prompt_tokens: 5, prompt_audio_seconds: 12 } }));
  usage.add(succeeded('c', { usage_info: { pages_processed: 2 } }));
  usage.add(succeeded('d', { usage: { input_tokens: 1, output_tokens: 'many' } }));
  usage.add(succeeded('e', {}));
  const failed = {
    kind: 'failed',
    id: 'x',
    customId: null,
    ordinal: 0,
    statusCode: null,
    body: 'no',
    error: { message: 'm', code: null },
  } as const;
  usage.add(failed);
  assert.deepEqual(Object.fromEntries(Object.entries(usage)), {
    requests: 4,
    promptTokens: 9,
    completionTokens: 4,
    totalTokens: 13,
    pages: 2,
    audioSeconds: 12,
  });
});

test('the text of an answer is found wherever its endpoint puts it', () => {
  const chat = (content: Content): ChatAnswer => ({
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, total_tokens: 1 },
  });
  const parts = [
    { type: 'thinking', thinking: [] },
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b' },
  ];
  const conversation = {
    conversation_id: 'c',
    outputs: [{ type: 'tool.execution' }, { content: 'a' }, { content: parts }],
    usage: { prompt_tokens: 1, total_tokens: 1 },
  };
  const pages = [
    { index: 0, markdown: '# A' },
    { index: 1, markdown: '# B' },
  ];
  assert.deepEqual(
    [
      textOf(chat('hello')),
      textOf(chat(null)),
      textOf(chat(parts)),
      textOf({ ...chat(''), choices: [] }),
      textOf(conversation),
      textOf({ model: 'm', pages, usage_info: { pages_processed: 2 } }),
      textOf({ model: 'm', text: 'said' }),
    ],
    ['hello', '', 'ab', '', 'aab', '# A\n\n# B', 'said'],
  );
});

test('results are found by custom_id; where one would hide another, that is an error', async () => {
  const byId = await resultsByCustomId([succeeded('a', { n: 1 }), succeeded('b', { n: 2 })]);
  assert.deepEqual(byId.get('b')?.body, { n: 2 });
  for (const id of ['a', null])
    await assert.rejects(resultsByCustomId([succeeded('a', {}), succeeded(id, {})]), {
      code: 'duplicate_custom_id',
    });
});
