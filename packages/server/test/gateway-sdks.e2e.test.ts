import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import type OpenAI from 'openai';
import { BadRequestError, NotFoundError } from 'openai';
import { openAiClient } from './openai-client.ts';
import { startOpenUpstream } from './open-upstream.ts';
import type { OpenUpstream, Received } from './open-upstream.ts';

const opened = new AsyncDisposableStack();
let upstream: OpenUpstream;
let whole: WholeBora;
let openAi: OpenAI;
let mistral: Mistral;

before(async () => {
  upstream = opened.use(await startOpenUpstream());
  whole = opened.use(await startWholeBora({ upstreams: [upstream.url] }));
  openAi = openAiClient(whole);
  mistral = new Mistral({ serverURL: whole.url, apiKey: 'none' });
});
after(() => opened[Symbol.asyncDispose]());

const messages = [{ role: 'user' as const, content: 'hello' }];
const model = 'm';

/** What the client gets when the upstream answers the call with this, and the call as it came there. */
async function answered<T>(calling: Promise<T>, body: unknown, status = 200): Promise<[T, Received]> {
  const came = upstream.next().then((received) => {
    received.response.writeHead(status, { 'content-type': 'application/json' });
    received.response.end(JSON.stringify(body));
    return received;
  });
  return Promise.all([calling, came]);
}

const CALLS: Readonly<Record<string, () => Promise<unknown>>> = {
  '/v1/chat/completions': () => openAi.chat.completions.create({ model, messages }),
  '/v1/completions': () => openAi.completions.create({ model, prompt: 'x' }),
  '/v1/embeddings': () => openAi.embeddings.create({ model, input: 'x', encoding_format: 'float' }),
  '/v1/responses': () => openAi.responses.create({ model, input: 'x' }),
  '/v1/moderations': () => openAi.moderations.create({ model, input: 'x' }),
  '/v1/images/generations': () => openAi.images.generate({ model, prompt: 'x' }),
};

test("OpenAI's SDK calls each endpoint that is passed through", async () => {
  for (const [path, calling] of Object.entries(CALLS)) {
    const answer = { id: 'x', object: 'thing', output: [], data: [] };
    const [got, came] = await answered(calling(), answer);
    assert.equal(came.path, path);
    assert.equal((got as { id: string }).id, 'x', path);
  }
});

test("OpenAI's SDK lists models, and reads events as they are sent", async () => {
  const listed = await openAi.models.list();
  assert.deepEqual(
    listed.data.map(({ id }) => id),
    [model],
  );
  assert.equal((await openAi.models.retrieve(model)).id, model);

  const chat = openAi.chat.completions.create({ model, messages, stream: true });
  const { response } = await upstream.next();
  response.setHeader('content-type', 'text/event-stream');
  const piece = (content: string): void => {
    response.write(`data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta: { content } }] })}\n\n`);
  };
  piece('one');
  const chunks = (await chat)[Symbol.asyncIterator]();
  assert.equal((await chunks.next()).value?.choices[0].delta.content, 'one');
  piece('two');
  assert.equal((await chunks.next()).value?.choices[0].delta.content, 'two');
  response.end('data: [DONE]\n\n');
  assert.equal((await chunks.next()).done, true);

  const responding = openAi.responses.create({ model, input: 'x', stream: true });
  const open = (await upstream.next()).response;
  open.setHeader('content-type', 'text/event-stream');
  open.write(
    'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"one"}\n\n',
  );
  const events = (await responding)[Symbol.asyncIterator]();
  const { value } = await events.next();
  assert.equal(value?.type === 'response.output_text.delta' && value.delta, 'one');
  open.end();
  assert.equal((await events.next()).done, true);
});

test('a recording goes through as the form that an SDK sends, wherever it names its model', async () => {
  const file = new File([new Uint8Array([0, 255, 13, 10, 45, 45])], 'a.mp3', { type: 'audio/mpeg' });
  const [text, { headers, text: form }] = await answered(
    openAi.audio.transcriptions.create({ file, model, language: 'en' }),
    { text: 'said' },
  );
  assert.equal(text.text, 'said');
  assert.match(headers['content-type']!, /^multipart\/form-data; ?boundary=/);
  assert.match(form, /name="file"; filename="a.mp3"[^]*name="model"\r\n\r\nm\r\n[^]*name="language"/);

  const [heard, came] = await answered(
    mistral.audio.transcriptions.complete({ model, file: { fileName: 'a.mp3', content: new Blob(['x']) } }),
    { text: 'heard', model, language: null, segments: [], usage: {} },
  );
  assert.equal(heard.text, 'heard');
  assert.equal(came.path, '/v1/audio/transcriptions');
});

test("an upstream's refusal reaches the SDK in its words, and Bora's own in its shape", async () => {
  const error = { message: 'No messages.', type: 'invalid_request_error', param: 'messages', code: 'odd' };
  const refused = answered(openAi.chat.completions.create({ model, messages }), { error }, 400);
  await assert.rejects(
    refused,
    (thrown) => thrown instanceof BadRequestError && thrown.code === 'odd' && thrown.param === 'messages',
  );
  await assert.rejects(
    openAi.chat.completions.create({ model: 'nobody', messages }),
    (thrown) => thrown instanceof NotFoundError && thrown.code === 'model_not_found' && !!thrown.requestID,
  );
  await assert.rejects(
    mistral.chat.complete({ model: 'nobody', messages }),
    /No upstream serves the model nobody/,
  );
});

test('who reads a stream whose upstream dies is told so, and takes no part of an answer for all of it', async () => {
  const chat = openAi.chat.completions.create({ model, messages, stream: true });
  const { response } = await upstream.next();
  response.setHeader('content-type', 'text/event-stream');
  response.write('data: {"id":"x","choices":[{"index":0,"delta":{"content":"one"}}]}\n\n');
  const chunks = (await chat)[Symbol.asyncIterator]();
  assert.equal((await chunks.next()).value?.choices[0].delta.content, 'one');
  response.destroy();
  await assert.rejects(chunks.next(), /terminated|aborted|connection/i);
});
