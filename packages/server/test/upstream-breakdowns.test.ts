import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttemptRequest, Verdict } from '../src/upstreams/upstreams.ts';
import { acquire, hold, json, ROUTE, send, until } from './breakable-upstream.ts';
import { counted, crashed, fill, line, world } from './registry-world.ts';
import type { World } from './registry-world.ts';

const MINUTE = 60_000;

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
async function die(w: World, request: AttemptRequest): Promise<Verdict> {
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
