import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { startSimulator } from '@bora/simulator/simulator';
import type { Simulator } from '@bora/simulator/simulator';
import { post } from './calls.ts';

const model = 'simulated-chat';
const SOUND = new Uint8Array(20 * 32_000);

let simulator: Simulator;
/** The official SDK refuses answers that are not shaped as the real service shapes them. */
let mistral: Mistral;
before(async () => {
  simulator = await startSimulator();
  mistral = new Mistral({ apiKey: 'any', serverURL: simulator.url });
});
after(() => simulator[Symbol.asyncDispose]());

test('FIM is answered as a chat of one message', async () => {
  const answer = await mistral.fim.complete({
    model,
    prompt: 'def add(',
    suffix: 'return a + b',
    maxTokens: 4,
  });
  assert.equal(answer.choices[0].finishReason, 'length');
  assert.equal((answer.choices[0].message!.content as string).split(' ').length, 4);
  assert.deepEqual(
    [answer.usage.promptTokens, answer.usage.completionTokens, answer.usage.totalTokens],
    [5, 4, 9],
  );
});

test('moderations have a result for each text, which depends on nothing beside it', async () => {
  const { results } = await mistral.classifiers.moderate({ model, inputs: ['a', 'b'] });
  const [first] = (await mistral.classifiers.moderate({ model, inputs: 'a' })).results;
  assert.deepEqual(results[0], first);
  assert.notDeepEqual(results[1], first);
  assert.equal(Object.keys(first.categories!).length, 9);
  for (const [category, score] of Object.entries(first.categoryScores!)) {
    assert.ok(score >= 0 && score <= 1);
    assert.equal(first.categories![category], score > 0.5);
  }
});

test('chats are moderated one or several at a time', async () => {
  const messages = [{ role: 'user' as const, content: 'Hello' }];
  const one = await mistral.classifiers.moderateChat({ model, inputs: messages });
  const two = await mistral.classifiers.moderateChat({ model, inputs: [messages, messages] });
  assert.deepEqual(two.results, [...one.results, ...one.results]);
});

test('texts and chats are classified: for each target, scores that add up to 1', async () => {
  const texts = await mistral.classifiers.classify({ model, inputs: ['a', 'b'] });
  const chat = { messages: [{ role: 'user' as const, content: 'a' }] };
  const chats = await mistral.classifiers.classifyChat({ model, input: [chat] });
  for (const result of [...texts.results, ...chats.results]) {
    assert.deepEqual(Object.keys(result), ['sentiment', 'topic']);
    for (const { scores } of Object.values(result)) {
      const sum = Object.values(scores).reduce((total, score) => total + score, 0);
      assert.ok(Math.abs(sum - 1) < 1e-5, String(sum));
    }
  }
});

test('OCR gives Markdown page by page, of the pages that were asked for', async () => {
  const document = { type: 'document_url', documentUrl: 'https://example.com/a.pdf' } as const;
  const all = await mistral.ocr.process({ model, document, documentAnnotationFormat: { type: 'text' } });
  assert.match(all.pages[0].markdown, /^# Page 1\n\n\w/);
  assert.equal(all.usageInfo.pagesProcessed, all.pages.length);
  assert.equal(typeof JSON.parse(all.documentAnnotation!), 'object');
  const first = await mistral.ocr.process({ model, document, pages: '0' });
  assert.deepEqual(
    first.pages.map(({ index }) => index),
    [0],
  );
  const imageUrl = `data:image/png;base64,${Buffer.alloc(300).toString('base64')}`;
  const image = await mistral.ocr.process({ model, document: { type: 'image_url', imageUrl } });
  assert.deepEqual(image.usageInfo, { pagesProcessed: 1, docSizeBytes: 300 });
});

test('a conversation is answered with one message and its usage', async () => {
  const answer = await mistral.beta.conversations.start({
    model,
    inputs: [{ role: 'user', content: 'Hello' }],
    instructions: 'Be brief.',
    completionArgs: { maxTokens: 3 },
  });
  assert.match(answer.conversationId, /^conv-/);
  const [output] = answer.outputs;
  assert.equal(output.type, 'message.output');
  assert.equal(answer.usage.totalTokens, answer.usage.promptTokens + 3);
});

test('a transcription is asked for in a form or in JSON', async () => {
  const form = await mistral.audio.transcriptions.complete({
    model,
    file: { fileName: 'übung.wav', content: SOUND },
    language: 'de',
    timestampGranularities: ['segment'],
  });
  assert.equal(form.language, 'de');
  assert.equal(form.usage.promptAudioSeconds, 20);
  assert.deepEqual(
    form.segments?.map(({ start, end }) => [start, end]),
    [
      [0, 8],
      [8, 16],
      [16, 20],
    ],
  );
  assert.equal(form.text, form.segments?.map(({ text }) => text).join(' '));
  const body = JSON.stringify({ model, file_url: 'https://example.com/a.mp3', diarize: true });
  const answers = await Promise.all(
    [1, 2].map(async () => (await post(simulator.url, '/v1/audio/transcriptions', body)).text()),
  );
  assert.equal(answers[0], answers[1]);
  const { segments } = JSON.parse(answers[0]) as { segments: { speaker_id: string }[] };
  assert.equal(segments[0].speaker_id, 'speaker_1');
});

test('models are listed with what they can do', async () => {
  const { data } = await mistral.models.list();
  assert.deepEqual(
    data?.map((card) => card.type === 'base' && card.capabilities.completionFim && card.id),
    ['simulated-chat', 'simulated-embed'],
  );
});

for (const [what, path, body, told] of [
  ['FIM without a prompt', '/v1/fim/completions', {}, 'body.prompt'],
  ['a moderation of nothing', '/v1/moderations', { input: [] }, 'body.input'],
  ['a moderation of a text as a chat', '/v1/chat/moderations', { input: 'a' }, 'body.input'],
  [
    'a classification of messages as a chat',
    '/v1/chat/classifications',
    { input: [{ role: 'user' }] },
    'body.input',
  ],
  ['OCR of nothing', '/v1/ocr', { document: {} }, 'must be a document_url'],
  ['OCR of pages that are none', '/v1/ocr', { document: { file_id: 'x' }, pages: 'last' }, 'body.pages'],
  ['a conversation with an agent', '/v1/conversations', { inputs: 'a', agent_id: 'b' }, 'no agents'],
  ['a transcription of nothing', '/v1/audio/transcriptions', { language: 'en' }, 'file_url'],
] as const) {
  test(`${what}: answered 400 with the reason`, async () => {
    const response = await post(simulator.url, path, JSON.stringify({ model, ...body }));
    assert.equal(response.status, 400);
    const { error } = (await response.json()) as { error: { message: string } };
    assert.ok(error.message.includes(told), error.message);
  });
}

test('a form is no request where only JSON is taken, and a broken one nowhere', async () => {
  const headers = { 'content-type': 'multipart/form-data; boundary=b' };
  const form = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nsimulated-chat\r\n--b--\r\n';
  for (const [path, body] of [
    ['/v1/moderations', form],
    ['/v1/audio/transcriptions', form.slice(0, -6)],
  ] as const) {
    assert.equal((await post(simulator.url, path, body, headers)).status, 400);
  }
});

test('paths can be left out, and are unknown then', async () => {
  await using small = await startSimulator({ endpoints: ['/v1/chat/completions'] });
  const response = await post(small.url, '/v1/ocr', '{}');
  assert.deepEqual([response.status, await response.json()], [404, { detail: 'Not Found' }]);
  assert.equal((await post(small.url, '/v1/chat/completions', '{}')).status, 400);
});
