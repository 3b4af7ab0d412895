import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import type { UpstreamRegistry } from '../src/upstreams/registry.ts';
import type { Slot, UpstreamConfig, Verdict } from '../src/upstreams/upstreams.ts';
import {
  acquire,
  BreakableUpstream,
  hold,
  json,
  registryOf,
  requestOf,
  ROUTE,
  send,
  until,
} from './breakable-upstream.ts';

const MINUTE = 60_000;
const CHAT = '/v1/chat/completions';
const OTHER_ROUTE = '/v1/chat/completions n';

interface World extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly upstreams: UpstreamRegistry;
  readonly clock: SimulatedClock;
  state(): string;
  /** Of the model `m`. */
  modelState(): string | undefined;
}

async function world(
  config: Partial<UpstreamConfig> = {},
  prepare: (upstream: BreakableUpstream) => void = () => {},
): Promise<World> {
  const upstream = await BreakableUpstream.open();
  prepare(upstream);
  const clock = new SimulatedClock();
  const upstreams = registryOf([{ name: 'u', url: upstream.url, ...config }], clock);
  await upstreams.start();
  return {
    upstream,
    upstreams,
    clock,
    state: () => upstreams.status()[0].state,
    modelState: () => upstreams.status()[0].models.find(({ model }) => model === 'm')?.state,
    async [Symbol.asyncDispose]() {
      await upstreams[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

function models(...ids: string[]): BreakableUpstream['listing'] {
  return json(200, { object: 'list', data: ids.map((id) => ({ id })) });
}

/** Takes every free place. */
function fill(upstreams: UpstreamRegistry, route = ROUTE): Slot[] {
  const slots: Slot[] = [];
  for (let slot = upstreams.tryAcquire(route); slot !== null; slot = upstreams.tryAcquire(route))
    slots.push(slot);
  return slots;
}

function line(
  name: string,
  counts: { faults?: number; crashes?: number } = {},
): ReturnType<typeof requestOf> {
  return requestOf(JSON.stringify({ line: name }), counts);
}

function crashed(verdict: Verdict): boolean {
  assert.ok(verdict.kind === 'retry' && !verdict.countsAgainstLine);
  return verdict.crashed;
}

function counted(verdict: Verdict): boolean {
  assert.equal(verdict.kind, 'retry');
  return verdict.countsAgainstLine;
}

// Discovery

test('models are discovered, and make the routes with the endpoints', async () => {
  await using w = await world({}, (upstream) => (upstream.listing = models('m', 'n', 'm')));
  assert.deepEqual(w.upstreams.routes(), [ROUTE, OTHER_ROUTE]);
  assert.deepEqual(w.upstreams.models(CHAT), { reachable: true, models: ['m', 'n'], unheard: [] });
  assert.equal(w.upstreams.capacity(), 64);
  assert.equal(w.upstreams.tryAcquire('/v1/chat/completions x'), null);
  assert.equal(
    w.upstreams.whyWaiting('/v1/chat/completions x'),
    'No upstream serves the model x; they serve m, n.',
  );
});

test('an upstream that refuses its key from the start says nothing about models, so none is unknown', async () => {
  await using w = await world({}, (upstream) => (upstream.listing = json(401, {})));
  assert.deepEqual(w.upstreams.models(CHAT), { reachable: false, models: [], unheard: [w.upstream.url] });
  assert.match(w.upstreams.whyWaiting(ROUTE) ?? '', /refuses to list its models \(HTTP 401\)/);
});

test('configured models are served whatever the list says', async () => {
  await using w = await world({ models: ['m', 'n'] }, (upstream) => (upstream.listing = models('z')));
  assert.deepEqual(w.upstreams.models(CHAT).models, ['m', 'n']);
});

for (const status of [404, 405]) {
  test(`an upstream that answers ${status} to GET /v1/models takes every model`, async () => {
    await using w = await world({}, (upstream) => (upstream.listing = json(status, {})));
    assert.equal(w.upstreams.routes(), 'any');
    assert.deepEqual(w.upstreams.models(CHAT), { reachable: true, models: 'any', unheard: [] });
    assert.equal(
      (await send(w.upstreams, requestOf('{}', { route: '/v1/chat/completions z' }))).kind,
      'succeeded',
    );
  });
}

test('the list of models is read again each minute', async () => {
  await using w = await world();
  w.upstream.listing = models('n');
  await w.clock.advance(MINUTE - 1);
  assert.deepEqual(w.upstreams.routes(), [ROUTE]);
  await w.clock.advance(1);
  await until(w.upstreams, () => w.upstreams.routes().includes(OTHER_ROUTE));
  assert.deepEqual(w.upstreams.routes(), [OTHER_ROUTE]);
});

test('a start does not wait longer than three seconds for an upstream that says nothing', async () => {
  await using upstream = await BreakableUpstream.open();
  upstream.listing = hold;
  const clock = new SimulatedClock();
  await using upstreams = registryOf([upstream.url], clock);
  const starting = upstreams.start();
  await clock.advance(3_000);
  await starting;
  assert.deepEqual(upstreams.routes(), []);
  assert.equal(upstreams.models(CHAT).reachable, false);
});

test('without upstreams, the reason says what to set', () => {
  assert.equal(registryOf([]).whyWaiting(ROUTE), 'No upstream is configured; set BORA_UPSTREAM.');
});

// Down

test('a refused connection takes an upstream down; it is probed after 1, 5, 15, 15 s and comes back at full width', async () => {
  await using w = await world();
  await w.upstream.close();
  assert.equal(counted(await send(w.upstreams)), false);
  assert.equal(w.state(), 'down');
  assert.deepEqual(w.upstreams.routes(), []);
  assert.equal(w.upstreams.tryAcquire(ROUTE), null);

  for (const seconds of [1, 5, 15, 15]) {
    const next = `next try in ${seconds} s.`;
    await until(w.upstreams, () => w.upstreams.whyWaiting(ROUTE)?.endsWith(next) === true);
    await w.clock.advance(seconds * 1000);
  }
  const since = `${w.upstream.url} refuses connections (ECONNREFUSED) since 36 s; next try in 15 s.`;
  await until(w.upstreams, () => w.upstreams.whyWaiting(ROUTE) === since);

  await w.upstream.listen();
  await w.clock.advance(15_000);
  await until(w.upstreams, () => w.state() === 'up');
  assert.equal(w.upstreams.whyWaiting(ROUTE), null);
  assert.equal(fill(w.upstreams).length, 64);
});

test('many attempts that are refused together are one outage, not many failed probes', async () => {
  await using w = await world();
  const slots = fill(w.upstreams);
  await w.upstream.close();
  await Promise.all(slots.map((slot) => slot.send(requestOf())));
  assert.match(w.upstreams.whyWaiting(ROUTE) ?? '', /next try in 1 s/);
});

test('an upstream that is down at the start becomes known by a probe', async () => {
  await using upstream = await BreakableUpstream.open();
  await upstream.close();
  const clock = new SimulatedClock();
  await using upstreams = registryOf([upstream.url], clock);
  await upstreams.start();
  assert.deepEqual(upstreams.models(CHAT), { reachable: false, models: [], unheard: [upstream.url] });
  await upstream.listen();
  await clock.advance(1_000);
  await until(upstreams, () => upstreams.routes().length > 0);
  assert.deepEqual(upstreams.models(CHAT), { reachable: true, models: ['m'], unheard: [] });
});

// Load

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

// Refused

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

// Breakdowns

test('a failure while others are answered counts against its line', async () => {
  await using w = await world();
  const replies = new Map([
    ['{"line":"good"}', json(200, {})],
    ['{"line":"bad"}', json(500, {})],
  ]);
  w.upstream.reply = hold;
  const bad = send(w.upstreams, line('bad'));
  const good = send(w.upstreams, line('good'));
  await w.upstream.received(2);
  const answer = (name: string): void => {
    const request = w.upstream.requests.find(({ body }) => body.toString().includes(name));
    replies.get(request?.body.toString() ?? '')?.(request as never);
  };
  answer('good');
  await good;
  answer('bad');
  assert.equal(counted(await bad), true);
  assert.equal(w.modelState(), 'up');
});

test('a line that failed, then saw others answered, and fails again is counted even with one place', async () => {
  await using w = await world({ maxInFlight: 1 });
  w.upstream.reply = json(500, {});
  assert.equal(counted(await send(w.upstreams, line('bad'))), false);
  w.upstream.reply = json(200, {});
  await send(w.upstreams, line('good'));
  w.upstream.reply = json(500, {});
  assert.equal(counted(await send(w.upstreams, line('bad'))), true);
});

test('different lines failing with an answer between them are no sign of an outage', async () => {
  await using w = await world({ maxInFlight: 1 });
  for (const [status, name] of [
    [500, 'a'],
    [200, 'good'],
    [500, 'b'],
    [200, 'good'],
    [500, 'c'],
  ] as const) {
    w.upstream.reply = json(status, {});
    await send(w.upstreams, line(name));
  }
  assert.equal(w.modelState(), 'up');
});

test('different lines failing with no answer between take the model down, uncounted, and one at a time tries again', async () => {
  await using w = await world();
  w.upstream.reply = json(500, {});
  const verdicts = await Promise.all(
    fill(w.upstreams).map((slot, index) => slot.send(line(`line ${index}`, { faults: 2 }))),
  );
  assert.deepEqual(new Set(verdicts.map(counted)), new Set([false]));
  assert.equal(w.modelState(), 'down');
  assert.match(
    w.upstreams.whyWaiting(ROUTE) ?? '',
    /answers HTTP 500, whatever it is asked of model m, since 0 s/,
  );

  await w.clock.advance(1_000);
  await until(w.upstreams, () => w.modelState() === 'trial');
  const trial = fill(w.upstreams);
  assert.equal(trial.length, 1);
  assert.equal(counted(await trial[0].send(line('trial', { faults: 2 }))), false);
  assert.match(w.upstreams.whyWaiting(ROUTE) ?? '', /next try in 5 s/);

  w.upstream.reply = json(200, {});
  await w.clock.advance(5_000);
  await until(w.upstreams, () => w.modelState() === 'trial');
  await send(w.upstreams);
  assert.equal(w.modelState(), 'up');
  assert.equal(fill(w.upstreams).length, 64);
});

test('a line that is the only one left and always fails ends, slowly', async () => {
  await using w = await world();
  w.upstream.reply = json(500, { error: { message: 'boom' } });
  const first = await send(w.upstreams, line('a'));
  assert.equal(counted(first), false);
  const second = await send(w.upstreams, line('a'));
  assert.deepEqual(second, {
    kind: 'retry',
    afterMs: 15_000,
    countsAgainstLine: true,
    crashed: false,
    reason: 'answers HTTP 500: boom',
  });
  const last = await send(w.upstreams, line('a', { faults: 2 }));
  assert.deepEqual([last.kind, w.modelState()], ['failed', 'up']);
});

/** Sends a request alone, and lets the upstream die over it; then it comes back, on trial. */
async function die(w: World, request: ReturnType<typeof requestOf>): Promise<Verdict> {
  const verdict = send(w.upstreams, request);
  await w.upstream.received(w.upstream.requests.length + 1);
  await w.upstream.close();
  const died = await verdict;
  await w.upstream.listen();
  const [, seconds] = /next try in (\d+) s/.exec(w.upstreams.whyWaiting(ROUTE) ?? '') ?? [];
  await w.clock.advance(Number(seconds) * 1_000);
  await until(w.upstreams, () => w.state() === 'trial');
  return died;
}

test('a crash is remembered of all in flight, and ends only one that was alone for the third time', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  const two = [send(w.upstreams, line('a', { crashes: 9 })), send(w.upstreams, line('b'))];
  await w.upstream.received(2);
  await w.upstream.close();
  for (const verdict of await Promise.all(two)) assert.equal(crashed(verdict), true);
  assert.equal(w.state(), 'down');

  await w.upstream.listen();
  await w.clock.advance(1_000);
  await until(w.upstreams, () => w.state() === 'trial');
  assert.equal(fill(w.upstreams).map((slot) => slot.release()).length, 1);
  w.upstream.reply = json(200, {});
  await send(w.upstreams, line('b'));

  w.upstream.reply = hold;
  assert.equal(crashed(await die(w, line('a', { crashes: 1 }))), true);
  const last = await die(w, line('a', { crashes: 2 }));
  assert.deepEqual([last.kind, last.kind === 'failed' && last.isPoison], ['failed', true]);
});

test('an upstream that crashes over whatever it is asked ends no line', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  await die(w, line('a', { crashes: 2 }));
  for (const name of ['b', 'c', 'b', 'c', 'a']) {
    assert.equal(crashed(await die(w, line(name, { crashes: 2 }))), true);
  }
});

test('a crash that is over at once is seen by all in flight breaking off, though others were answered', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  const four = ['a', 'b', 'c', 'd'].map((name) => send(w.upstreams, line(name)));
  await w.upstream.received(4);
  json(200, {})(w.upstream.requests[0]);
  await four.shift();
  for (const { reset } of w.upstream.requests.slice(1)) reset();
  for (const verdict of await Promise.all(four)) assert.equal(crashed(verdict), true);
  assert.equal(w.modelState(), 'down');
});

test('one of many in flight that is reset is counted, and stops nobody', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  const three = ['a', 'b', 'c'].map((name) => send(w.upstreams, line(name)));
  await w.upstream.received(3);
  json(200, {})(w.upstream.requests[0]);
  await three[0];
  w.upstream.requests[1].reset();
  assert.equal(counted(await three[1]), true);
  assert.deepEqual([w.state(), w.modelState()], ['up', 'up']);
});

test('a request that must be alone gets an upstream that takes nothing else until it has ended', async () => {
  await using w = await world();
  const slot = acquire(w.upstreams);
  assert.equal(w.upstreams.tryAcquireAlone(ROUTE, 0, false), null);
  assert.equal(w.upstreams.tryAcquire(ROUTE), null, 'it is kept free');
  slot.release();
  const alone = w.upstreams.tryAcquireAlone(ROUTE, 0, false);
  assert.ok(alone !== null);
  assert.equal(w.upstreams.tryAcquire(ROUTE), null);
  assert.equal(w.upstreams.tryAcquireAlone(ROUTE, 0, true), null);
  await w.clock.advance(MINUTE);
  assert.equal(w.upstreams.tryAcquire(ROUTE), null);
  alone.release();
  acquire(w.upstreams).release();
});

test('an upstream kept free for a request that never comes takes others again', async () => {
  await using w = await world();
  const slot = acquire(w.upstreams);
  assert.equal(w.upstreams.tryAcquireAlone(ROUTE, 0, false), null);
  await w.clock.advance(3_000);
  assert.equal(w.upstreams.tryAcquireAlone(ROUTE, 0, false), null);
  await w.clock.advance(4_000);
  slot.release();
  assert.equal(w.upstreams.tryAcquire(ROUTE), null, 'it was asked for again');
  const free = until(w.upstreams, () => w.upstreams.tryAcquire(ROUTE) !== null);
  await w.clock.advance(5_000);
  await free;
});

test('on trial a request that must be alone goes only if it is let', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  await die(w, line('a'));
  assert.equal(w.upstreams.tryAcquireAlone(ROUTE, 0, false), null);
  w.upstreams.tryAcquireAlone(ROUTE, 0, true)!.release();
});

test('a listing that takes too long says nothing about an upstream that is at work', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  const sending = send(w.upstreams);
  await w.upstream.received(1);
  w.upstream.listing = hold;
  await w.clock.advance(MINUTE + 3_000);
  assert.equal(w.state(), 'up');
  json(200, {})(w.upstream.requests[0]);
  assert.equal((await sending).kind, 'succeeded');
});

// By hand

test('a pause by hand lets what is in flight go on, is not ended by probes, and is ended by hand', async () => {
  await using w = await world();
  w.upstream.reply = hold;
  const sending = send(w.upstreams);
  await w.upstream.received(1);
  w.upstreams.pause({ upstream: 'u', reason: 'maintenance', pausedAt: w.clock.now() });
  assert.deepEqual(w.upstreams.routes(), []);
  json(200, {})(w.upstream.requests[0]);
  assert.equal((await sending).kind, 'succeeded');
  await w.clock.advance(10 * MINUTE);
  assert.equal(w.state(), 'paused');
  assert.match(
    w.upstreams.whyWaiting(ROUTE) ?? '',
    /is paused by hand \(maintenance\) since 10 min; it waits to be resumed by hand\.$/,
  );
  w.upstreams.resume('u');
  assert.equal(w.state(), 'up');
  acquire(w.upstreams).release();
  w.upstreams.pause({ upstream: 'nobody', reason: 'x', pausedAt: 0 });
  w.upstreams.resume('nobody');
});

test('resuming by hand ends the pause of a model and a wait', async () => {
  await using w = await world();
  w.upstream.reply = json(429, {}, { 'retry-after': '600' });
  await send(w.upstreams);
  assert.equal(w.upstreams.tryAcquire(ROUTE), null);
  w.upstreams.resume('u');
  acquire(w.upstreams).release();
});

// Several upstreams

test('a request goes to the upstream with the largest free share by weight', async () => {
  await using a = await BreakableUpstream.open();
  await using b = await BreakableUpstream.open();
  await using upstreams = registryOf([
    { name: 'a', url: a.url, maxInFlight: 4 },
    { name: 'b', url: b.url, maxInFlight: 8, weight: 2 },
  ]);
  await upstreams.start();
  assert.equal(upstreams.capacity(), 12);
  const order = fill(upstreams).map(({ upstream }) => upstream);
  // The heavier one until its share has fallen to the other's, then by turns; of equal shares the first.
  assert.equal(order.join(''), 'bbbbabababab');
});

test('while one upstream is down the other is used, and nothing waits', async () => {
  await using a = await BreakableUpstream.open();
  await using b = await BreakableUpstream.open();
  await using upstreams = registryOf([a.url, b.url]);
  await upstreams.start();
  await a.close();
  await send(upstreams);
  assert.equal(upstreams.status()[0].state, 'down');
  assert.equal(upstreams.whyWaiting(ROUTE), null);
  assert.equal(acquire(upstreams).upstream, 'u1');
});

test('the models of an upstream share its cap', async () => {
  await using w = await world({ maxInFlight: 3, models: ['m', 'n'] });
  assert.equal(fill(w.upstreams).length, 3);
  assert.equal(w.upstreams.tryAcquire(OTHER_ROUTE), null);
  assert.equal(w.upstreams.capacity(), 3);
});
