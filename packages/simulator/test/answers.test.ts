import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSimulator } from '@bora/simulator/simulator';
import type { Simulator } from '@bora/simulator/simulator';
import { chat, chatBody, post } from './calls.ts';

interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}
interface ChatAnswer {
  id: string;
  object: string;
  created: number;
  model: string;
  choices: { index: number; message: { role: string; content: string }; finish_reason: string }[];
  usage: Usage;
}
interface EmbeddingAnswer {
  data: { index: number; embedding: number[] }[];
  usage: Usage;
}

async function chatAnswer(simulator: Simulator, body: string): Promise<ChatAnswer> {
  const response = await chat(simulator, body);
  assert.equal(response.status, 200);
  return (await response.json()) as ChatAnswer;
}

async function embed(
  simulator: Simulator,
  members: Readonly<Record<string, unknown>>,
): Promise<EmbeddingAnswer> {
  const response = await post(simulator.url, '/v1/embeddings', JSON.stringify(members));
  assert.equal(response.status, 200);
  return (await response.json()) as EmbeddingAnswer;
}

test('a chat answer has the members that clients read, and a usage that adds up', async () => {
  await using simulator = await startSimulator();
  const answer = await chatAnswer(simulator, chatBody('Why is the sky blue?', { n: 2 }));
  assert.match(answer.id, /^chatcmpl-[0-9a-f]{32}$/);
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.model, 'simulated-chat');
  assert.deepEqual(
    answer.choices.map(({ index, message, finish_reason }) => [index, message.role, finish_reason]),
    [
      [0, 'assistant', 'stop'],
      [1, 'assistant', 'stop'],
    ],
  );
  const words = answer.choices.reduce((sum, { message }) => sum + message.content.split(' ').length, 0);
  assert.deepEqual(answer.usage, { prompt_tokens: 9, completion_tokens: words, total_tokens: 9 + words });
});

test('max_tokens cuts an answer and says so', async () => {
  await using simulator = await startSimulator({ outputTokens: 50 });
  const answer = await chatAnswer(simulator, chatBody('Count.', { max_tokens: 3 }));
  assert.equal(answer.choices[0].finish_reason, 'length');
  assert.equal(answer.usage.completion_tokens, 3);
});

test('the same request gets the same bytes, now and from another simulator with the same seed', async () => {
  await using one = await startSimulator({ seed: 7 });
  await using two = await startSimulator({ seed: 7, latencyMs: 1 });
  await using other = await startSimulator({ seed: 8 });
  const body = chatBody('Twice the same?');
  const first = await (await chat(one, body)).text();
  assert.equal(await (await chat(one, body)).text(), first);
  assert.equal(await (await chat(two, body)).text(), first);
  assert.notEqual(await (await chat(other, body)).text(), first);
  assert.notEqual(await (await chat(one, chatBody('Another.'))).text(), first);
});

test('the bytes of an answer stay what they are from version to version', async () => {
  await using simulator = await startSimulator({ outputTokens: 5 });
  const body = await (await chat(simulator, chatBody('Hello'))).text();
  assert.equal(
    body,
    '{"id":"chatcmpl-2fa0c3c389d02fd3eecdec2cfc41b67e","object":"chat.completion","created":1767226094,"model":"simulated-chat",' +
      '"choices":[{"index":0,"message":{"role":"assistant","content":"From mountains hold in and.","tool_calls":null},' +
      '"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":6,"total_tokens":11,"completion_tokens":5}}',
  );
});

test('completions answer n choices for each prompt', async () => {
  await using simulator = await startSimulator();
  const body = JSON.stringify({ model: 'simulated-chat', prompt: ['One', 'Two'], n: 2, max_tokens: 4 });
  const response = await post(simulator.url, '/v1/completions', body);
  const answer = (await response.json()) as {
    object: string;
    choices: { index: number; text: string }[];
    usage: Usage;
  };
  assert.equal(answer.object, 'text_completion');
  assert.deepEqual(
    answer.choices.map(({ index, text }) => [index, text.split(' ').length]),
    [
      [0, 4],
      [1, 4],
      [2, 4],
      [3, 4],
    ],
  );
  assert.equal(answer.usage.completion_tokens, 16);
});

test('embeddings are vectors of length 1, the same for the same text wherever it stands', async () => {
  await using simulator = await startSimulator({ embeddingDimensions: 32 });
  const model = 'simulated-embed';
  const alone = await embed(simulator, { model, input: 'north' });
  const among = await embed(simulator, { model, input: ['south', 'north'] });
  const vector = alone.data[0].embedding;
  assert.equal(vector.length, 32);
  assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  assert.deepEqual(among.data[1].embedding, vector);
  assert.notDeepEqual(among.data[0].embedding, vector);
  assert.deepEqual(alone.usage, { prompt_tokens: 2, completion_tokens: 0, total_tokens: 2 });
});

test('a request may choose the length of its embeddings and have them in base64', async () => {
  await using simulator = await startSimulator();
  const plain = await embed(simulator, { model: 'simulated-embed', input: 'east', dimensions: 6 });
  const packed = await embed(simulator, {
    model: 'simulated-embed',
    input: 'east',
    output_dimension: 6,
    encoding_format: 'base64',
  });
  const bytes = Buffer.from(packed.data[0].embedding as unknown as string, 'base64');
  assert.deepEqual(
    plain.data[0].embedding.map(Math.fround),
    [0, 4, 8, 12, 16, 20].map((at) => bytes.readFloatLE(at)),
  );
});

test('answers can be given a size and line breaks between their members', async () => {
  await using simulator = await startSimulator({ answerBytes: 100_000, prettyPrint: true });
  const text = await (await chat(simulator, chatBody('Long, please.'))).text();
  assert.equal(Buffer.byteLength(text), 100_000);
  assert.ok(text.split('\n').length > 10);
  assert.equal((JSON.parse(text) as ChatAnswer).object, 'chat.completion');
});

test('models are listed, and an unknown one is refused as vLLM refuses it', async () => {
  await using simulator = await startSimulator({ models: ['a', 'b'] });
  const list = (await (await fetch(`${simulator.url}/v1/models`)).json()) as { data: { id: string }[] };
  assert.deepEqual(
    list.data.map(({ id }) => id),
    ['a', 'b'],
  );
  const response = await chat(simulator, chatBody('Hello', { model: 'c' }));
  assert.equal(response.status, 404);
  assert.deepEqual(await response.json(), {
    error: { message: 'The model `c` does not exist.', type: 'NotFoundError', param: null, code: 404 },
  });
});

for (const [what, path, body, told] of [
  ['what is not JSON', '/v1/chat/completions', '{"model":', 'not valid JSON'],
  ['chat without messages', '/v1/chat/completions', '{"model":"simulated-chat"}', 'body.messages'],
  [
    'chat without any message',
    '/v1/chat/completions',
    chatBody('', { messages: [] }),
    'at least one message',
  ],
  ['a stream', '/v1/chat/completions', chatBody('Hello', { stream: true }), 'does not stream'],
  ['completions without a prompt', '/v1/completions', '{"model":"simulated-chat"}', 'body.prompt'],
  ['embeddings without an input', '/v1/embeddings', '{"model":"simulated-embed"}', 'body.input'],
]) {
  test(`${what}: answered 400 with the reason`, async () => {
    await using simulator = await startSimulator();
    const response = await post(simulator.url, path, body);
    const { error } = (await response.json()) as { error: { message: string; type: string; code: number } };
    assert.equal(response.status, 400);
    assert.equal(error.type, 'BadRequestError');
    assert.equal(error.code, 400);
    assert.ok(error.message.includes(told), error.message);
  });
}

test('with a key set, requests without it are refused', async () => {
  await using simulator = await startSimulator({ apiKey: 'secret' });
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 401);
  assert.equal((await chat(simulator, chatBody('Hello'), { authorization: 'Bearer wrong' })).status, 401);
  assert.equal((await fetch(`${simulator.url}/v1/models`)).status, 401);
  assert.equal((await chat(simulator, chatBody('Hello'), { authorization: 'Bearer secret' })).status, 200);
  assert.equal((await fetch(`${simulator.url}/health`)).status, 200);
});

test('unknown paths are 404 and wrong methods 405, as FastAPI says it', async () => {
  await using simulator = await startSimulator();
  const missing = await fetch(`${simulator.url}/v2/models`);
  assert.deepEqual([missing.status, await missing.json()], [404, { detail: 'Not Found' }]);
  assert.equal((await fetch(`${simulator.url}/v1/chat/completions`)).status, 405);
});
