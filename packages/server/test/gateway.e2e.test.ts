import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { startOpenUpstream } from './open-upstream.ts';
import type { Received } from './open-upstream.ts';

const CHAT = '/v1/chat/completions';

function call(whole: WholeBora, body: unknown, path = CHAT, signal?: AbortSignal): Promise<Response> {
  return fetch(`${whole.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer for-bora' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: signal ?? null,
  });
}

function answer({ response }: Received, content = 'hello'): void {
  response.setHeader('content-type', 'application/json');
  response.end(
    JSON.stringify({
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    }),
  );
}

async function codeOf(response: Response): Promise<unknown> {
  return ((await response.json()) as { bora: { code: string } }).bora.code;
}

test("Mistral's SDK finds its whole house under one address: models, chat, streams", async () => {
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({ upstreams: [upstream.url] });
  const mistral = new Mistral({ serverURL: whole.url, apiKey: 'none' });
  const messages = [{ role: 'user' as const, content: 'hello' }];

  const models = await mistral.models.list();
  assert.deepEqual(
    models.data?.map((model) => 'id' in model && model.id),
    ['m'],
  );
  const model = await mistral.models.retrieve({ modelId: 'm' });
  assert.equal('id' in model && model.id, 'm');

  const [complete, received] = await Promise.all([
    mistral.chat.complete({ model: 'm', messages }),
    upstream.next().then((came) => {
      answer(came);
      return came;
    }),
  ]);
  assert.equal(complete.choices?.[0]?.message?.content, 'hello');
  assert.equal(received.path, CHAT);
  assert.equal(received.headers.authorization, undefined);

  const streaming = mistral.chat.stream({ model: 'm', messages });
  const { response, body } = await upstream.next();
  assert.equal(body.stream, true);
  response.setHeader('content-type', 'text/event-stream');
  const piece = (content: string): void => {
    const choices = [{ index: 0, delta: { role: 'assistant', content }, finish_reason: null }];
    response.write(`data: ${JSON.stringify({ id: 'x', model: 'm', choices })}\n\n`);
  };
  piece('one');
  const events = (await streaming)[Symbol.asyncIterator]();
  // Each piece is there before the next is sent: nothing waits for the end.
  assert.equal((await events.next()).value?.data.choices[0]?.delta.content, 'one');
  piece('two');
  assert.equal((await events.next()).value?.data.choices[0]?.delta.content, 'two');
  response.end('data: [DONE]\n\n');
  assert.equal((await events.next()).done, true);
});

test('a call goes out byte for byte but for a renamed model, and comes back as the upstream answered', async () => {
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({ upstream: { url: upstream.url, models: { alias: 'm' } } });
  const sent = '{"seed": 9007199254740993, "mod\\u0065l":"alias", "x":1.0, "stream":true}';
  const calling = call(whole, sent);
  const { text, response } = await upstream.next();
  assert.equal(text, sent.replace('"alias"', '"m"'));
  response.writeHead(418, {
    'content-type': 'text/odd',
    'x-ratelimit-remaining-requests': '7',
    'x-request-id': 'theirs',
  });
  response.end('{"n": 1.50}\n');
  const back = await calling;
  assert.equal(back.status, 418);
  assert.equal(back.headers.get('content-type'), 'text/odd');
  assert.equal(back.headers.get('x-ratelimit-remaining-requests'), '7');
  assert.equal(back.headers.get('x-bora-upstream'), new URL(upstream.url).host);
  assert.notEqual(back.headers.get('x-request-id'), 'theirs');
  assert.equal(await back.text(), '{"n": 1.50}\n');
});

test('a call gets the next free place, ahead of batch requests that waited before it', async () => {
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({
    upstreams: [upstream.url],
    env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '1' },
  });
  const [job] = await whole.client.requests.submit(
    ['a', 'b', 'c'].map((content) => ({ body: { messages: [{ role: 'user', content }] } })),
    { endpoint: CHAT, model: 'm' },
  );
  const first = await upstream.next();
  assert.equal(first.body.messages?.[0]?.content, 'a');
  const calling = [1, 2].map((n) =>
    call(whole, { model: 'm', messages: [{ role: 'user', content: `call ${n}` }] }),
  );
  // They wait in Bora by the time it answers what came after them.
  await whole.client.jobs.get(job.id);
  const order: (string | undefined)[] = [];
  answer(first);
  for (let at = 0; at < 4; at += 1) {
    const next = await upstream.next();
    order.push(next.body.messages?.[0]?.content);
    answer(next);
  }
  assert.deepEqual(order.slice(2), ['b', 'c']);
  assert.deepEqual(new Set(order.slice(0, 2)), new Set(['call 1', 'call 2']));
  for (const response of await Promise.all(calling)) assert.equal(response.status, 200);
  assert.equal((await whole.client.jobs.waitUntilComplete(job.id, { intervalMs: 20 })).succeeded_requests, 3);
});

test('a caller who goes away closes the call to the upstream and frees its place', async () => {
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({
    upstreams: [upstream.url],
    env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '1' },
  });
  for (const begins of [false, true]) {
    const leave = new AbortController();
    const read = call(whole, { model: 'm', stream: true }, CHAT, leave.signal).then((answered) => {
      if (begins) leave.abort();
      return answered.text();
    });
    const refused = assert.rejects(read, { name: 'AbortError' });
    const { response } = await upstream.next();
    const closed = once(response, 'close');
    if (begins) response.write('data: {}\n\n');
    else leave.abort();
    await Promise.all([closed, refused]);
  }
  const next = call(whole, { model: 'm' });
  answer(await upstream.next());
  assert.equal((await next).status, 200);
});

test('what cannot be passed through is refused with the reason', async () => {
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({ upstreams: [upstream.url] });
  const refusals: [unknown, number, string][] = [
    ['not json', 422, 'invalid_json'],
    ['["m"]', 422, 'invalid_json'],
    [{ messages: [] }, 422, 'no_model'],
    [{ model: 7 }, 422, 'no_model'],
    [{ model: 'nobody' }, 404, 'model_not_found'],
  ];
  for (const [body, status, code] of refusals) {
    const response = await call(whole, body);
    assert.deepEqual([response.status, await codeOf(response)], [status, code], JSON.stringify(body));
  }
  const calling = call(whole, { model: 'm' });
  // The connection of the first may have told the models before; then there is a second.
  const breaking = upstream.next().then(({ response }) => {
    response.destroy();
    void upstream.next().then((again) => again.response.destroy());
  });
  const [broken] = await Promise.all([calling, breaking]);
  assert.deepEqual([broken.status, await codeOf(broken)], [502, 'upstream_failed']);

  await upstream[Symbol.asyncDispose]();
  const down = await call(whole, { model: 'm' });
  assert.deepEqual([down.status, down.headers.get('retry-after')], [503, '5']);
  assert.equal(await codeOf(down), 'not_served_now');
});

test('where one upstream takes no connection the next one that serves the model gets the call', async () => {
  await using dying = await startOpenUpstream();
  await using upstream = await startOpenUpstream();
  await using whole = await startWholeBora({ upstreams: [dying.url, upstream.url] });
  await dying[Symbol.asyncDispose]();
  const calls = [1, 2, 3].map(() => call(whole, { model: 'm' }));
  for (const _ of calls) answer(await upstream.next());
  for (const response of await Promise.all(calls)) assert.equal(response.status, 200);
});
