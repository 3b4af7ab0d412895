import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verdict } from '../src/upstreams/upstreams.ts';
import { acquire, json, ROUTE, send, until } from './breakable-upstream.ts';
import { counted, fill, line, models, world } from './registry-world.ts';

const MINUTE = 60_000;
const OTHER_ROUTE = '/v1/chat/completions n';

test('429 halves the window once per round trip and never counts', async () => {
  await using w = await world({ maxInFlight: 8 });
  w.upstream.reply = json(429, {});
  const verdicts = await Promise.all(fill(w.upstreams).map((slot) => slot.send(line('a', { faults: 2 }))));
  assert.deepEqual(new Set(verdicts.map(counted)), new Set([false]));
  assert.equal(w.upstreams.status()[0].models[0].window, 4);
  assert.equal(w.upstreams.status()[0].attempts.refused, 8);
  assert.equal(w.upstreams.capacity(), 4);
});

test('without Retry-After a model whose window is 1 is left alone for a growing moment, until it answers', async () => {
  await using w = await world({ maxInFlight: 2 });
  const quiet: number[] = [];
  for (const status of [429, 503, 529, 429, 200, 429, 429]) {
    w.upstream.reply = json(status, {});
    await send(w.upstreams);
    let waited = 0;
    let slot = w.upstreams.tryAcquire(ROUTE);
    for (; slot === null; slot = w.upstreams.tryAcquire(ROUTE)) {
      await w.clock.advance(50);
      waited += 50;
    }
    slot.release();
    quiet.push(waited);
  }
  assert.deepEqual(quiet, [0, 250, 500, 1000, 0, 0, 250]);
});

for (const [name, headers, body] of [
  ['Retry-After in seconds', { 'retry-after': '7' }, {}],
  ['Retry-After as a date', { 'retry-after': 'Thu, 01 Jan 2026 00:00:07 GMT' }, {}],
  ['retry-after-ms', { 'retry-after-ms': '7000', 'retry-after': '60' }, {}],
  ["LiteLLM's sentence", {}, { error: { message: 'No deployments available, Try again in 7 seconds. x' } }],
] as const) {
  test(`${name} is obeyed for the whole upstream, and its end is told`, async () => {
    await using w = await world({ models: ['m', 'n'] });
    w.upstream.reply = json(429, body, headers);
    await send(w.upstreams);
    assert.equal(w.upstreams.tryAcquire(OTHER_ROUTE), null);
    assert.match(w.upstreams.whyWaiting(OTHER_ROUTE) ?? '', /too much to do; next try in 7 s\.$/);
    await w.clock.advance(6_999);
    assert.equal(w.upstreams.tryAcquire(OTHER_ROUTE), null);
    let told = 0;
    w.upstreams.onChange(() => (told += 1));
    await w.clock.advance(1);
    assert.equal(told, 1);
    acquire(w.upstreams, OTHER_ROUTE).release();
  });
}

test('a second, different request refused the same way pauses the model, and nothing more is sent', async () => {
  await using w = await world();
  w.upstream.reply = json(403, { error: { message: 'Not for you.' } });
  assert.equal(counted(await send(w.upstreams, line('a'))), true);
  assert.equal(w.modelState(), 'up');
  assert.equal(counted(await send(w.upstreams, line('a'))), true);
  assert.equal(w.modelState(), 'up');
  assert.equal(counted(await send(w.upstreams, line('b'))), false);
  assert.equal(w.modelState(), 'paused');
  assert.deepEqual(w.upstreams.routes(), []);
  assert.equal(
    w.upstreams.whyWaiting(ROUTE),
    `${w.upstream.url} answers HTTP 403: Not for you, for model m, since 0 s; next look in 60 s, or resume it by hand.`,
  );
});

test('a request that alone is refused while others pass fails alone', async () => {
  await using w = await world();
  const verdicts: Verdict[] = [];
  for (const faults of [0, 1, 2]) {
    w.upstream.reply = json(403, { error: { message: 'Moderated.' } });
    verdicts.push(await send(w.upstreams, line('bad', { faults })));
    w.upstream.reply = json(200, {});
    await send(w.upstreams, line(`good ${faults}`));
  }
  assert.deepEqual(
    verdicts.map(({ kind }) => kind),
    ['retry', 'retry', 'failed'],
  );
  assert.equal(w.modelState(), 'up');
});

test('a key that even /v1/models refuses pauses the upstream at the first refused request', async () => {
  await using w = await world({ models: ['m', 'n'] });
  await send(w.upstreams);
  w.upstream.reply = json(401, { error: { message: 'Bad key' } });
  w.upstream.listing = json(401, {});
  assert.equal(counted(await send(w.upstreams)), false);
  assert.equal(w.state(), 'paused');
  assert.match(w.upstreams.whyWaiting(OTHER_ROUTE) ?? '', /Bad key since 0 s; next look in 60 s/);

  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => /refuses to list its models/.test(w.upstreams.whyWaiting(ROUTE) ?? ''));
  assert.equal(w.state(), 'paused');

  w.upstream.listing = models('m');
  w.upstream.reply = json(200, {});
  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => w.state() === 'trial');
  assert.equal((await send(w.upstreams)).kind, 'succeeded');
  assert.equal(w.state(), 'up');
});

test('a key that may not list models but is taken for requests is no reason to pause', async () => {
  await using w = await world({ models: ['m'] }, (upstream) => (upstream.listing = json(403, {})));
  assert.equal((await send(w.upstreams)).kind, 'succeeded');
  w.upstream.reply = json(403, {});
  assert.equal(counted(await send(w.upstreams)), true);
  assert.equal(w.state(), 'up');
});

test('429 for used-up quota pauses like a refusal, however long it asks to wait', async () => {
  await using w = await world();
  w.upstream.reply = json(429, { error: { code: 'insufficient_quota', message: 'Pay.' } });
  await send(w.upstreams, line('a'));
  await send(w.upstreams, line('b'));
  assert.equal(w.modelState(), 'paused');
  assert.match(w.upstreams.whyWaiting(ROUTE) ?? '', /quota is used up \(HTTP 429: Pay\)/);
});

test('a paused model is tried again with one request when a minute has passed, and paused again by its refusal', async () => {
  await using w = await world();
  w.upstream.reply = json(401, {});
  await send(w.upstreams, line('a'));
  await send(w.upstreams, line('b'));
  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => w.modelState() === 'trial');
  const [only, ...more] = fill(w.upstreams);
  assert.equal(more.length, 0);
  assert.equal(counted(await only.send(line('c', { faults: 2 }))), false);
  assert.equal(w.modelState(), 'paused');
});

test('a model that forbids different requests is asked a question of our own, whose answer ends the pause', async () => {
  await using w = await world();
  w.upstream.reply = json(403, {});
  await send(w.upstreams, line('a'));
  await send(w.upstreams, line('b'));
  w.upstream.reply = json(200, {});
  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => w.modelState() === 'up');
  assert.equal(
    w.upstream.requests[2].body.toString(),
    '{"model":"m","messages":[{"role":"user","content":"Hello"}],"max_tokens":1}',
  );

  w.upstream.reply = json(403, {});
  assert.equal(counted(await send(w.upstreams, line('a'))), true);
  assert.equal(counted(await send(w.upstreams, line('b'))), true);
  assert.equal(w.modelState(), 'up', 'what was refused before the answer accuses nobody else');
});

test('a question that says nothing leaves it to a request to try a model that forbade others', async () => {
  await using w = await world();
  w.upstream.reply = json(403, {});
  await send(w.upstreams, line('a'));
  await send(w.upstreams, line('b'));
  w.upstream.reply = json(400, {});
  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => w.modelState() === 'trial');
});

test('a model that is gone from /v1/models is paused by its 404 until it is listed again', async () => {
  await using w = await world({}, (upstream) => (upstream.listing = models('m', 'n')));
  w.upstream.reply = (request) => {
    const isEmpty = request.body.toString() === '{}';
    json(isEmpty ? 400 : 404, { error: { message: 'no such model' } })(request);
  };
  assert.equal((await send(w.upstreams)).kind, 'failed');

  w.upstream.listing = models('n');
  const slot = acquire(w.upstreams);
  assert.equal(counted(await slot.send(line('a', { faults: 2 }))), false);
  assert.equal(w.modelState(), 'paused');
  assert.deepEqual(w.upstreams.routes(), [OTHER_ROUTE]);

  w.upstream.listing = models('m', 'n');
  await w.clock.advance(MINUTE);
  await until(w.upstreams, () => w.upstreams.routes().includes(ROUTE));
});
