import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
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
import { counted, fill, models, world } from './registry-world.ts';

const MINUTE = 60_000;
const CHAT = '/v1/chat/completions';
const OTHER_ROUTE = '/v1/chat/completions n';

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
