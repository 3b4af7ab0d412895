import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { test } from 'node:test';
import { startSimulator } from '@bora/simulator/simulator';
import { brokenBy, chat, chatBody, statuses, until } from './calls.ts';
import { ManualClock } from './manual-clock.ts';

test('failures follow from seed and body: the same every run, near the rate', async () => {
  const settings = { rate429: 0.2, rate503: 0.1, rate500: 0.1, seed: 3 };
  await using one = await startSimulator(settings);
  await using two = await startSimulator(settings);
  const first = await statuses(one, 400);
  assert.deepEqual(await statuses(two, 400), first);
  const share = (status: number): number => first.filter((other) => other === status).length / 400;
  assert.ok(Math.abs(share(429) - 0.2) < 0.06, String(share(429)));
  assert.ok(Math.abs(share(503) - 0.1) < 0.05, String(share(503)));
  assert.ok(Math.abs(share(500) - 0.1) < 0.05, String(share(500)));
});

test('a retry of the same body has luck of its own', async () => {
  await using simulator = await startSimulator({ rate503: 0.5 });
  const outcomes: number[] = [];
  for (let times = 0; times < 20; times++) outcomes.push((await chat(simulator, chatBody('Again'))).status);
  assert.deepEqual(new Set(outcomes), new Set([200, 503]));
});

test('Retry-After is sent with refusals if it is set, and only then', async () => {
  await using simulator = await startSimulator({ rate429: 1 });
  const without = await chat(simulator, chatBody('a'));
  assert.deepEqual([without.status, without.headers.get('retry-after')], [429, null]);
  await simulator.configure({ retryAfterSeconds: 7 });
  const withIt = await chat(simulator, chatBody('b'));
  assert.deepEqual([withIt.status, withIt.headers.get('retry-after')], [429, '7']);
});

test('a reset before the answer leaves the client without a byte', async () => {
  await using simulator = await startSimulator({ rateResetBefore: 1 });
  await assert.rejects(chat(simulator, chatBody('Hello')), brokenBy('ECONNRESET'));
  assert.deepEqual(simulator.received(chatBody('Hello')), { received: 1, answered: 0 });
  assert.equal(simulator.stats().resets, 1);
});

test('a reset in the answer comes after its head and a part of its body', async () => {
  await using simulator = await startSimulator({ rateResetDuring: 1, answerBytes: 1000 });
  const response = await chat(simulator, chatBody('Hello'));
  assert.equal(response.status, 200);
  await assert.rejects(response.text(), TypeError);
  await until(() => simulator.stats().inFlight === 0);
  assert.equal(simulator.stats().resets, 1);
  assert.deepEqual(simulator.received(chatBody('Hello')), { received: 1, answered: 0 });
});

test('garbage is a 200 that is not JSON, and not counted as an answer', async () => {
  await using simulator = await startSimulator({ rateGarbage: 1 });
  const response = await chat(simulator, chatBody('Hello'));
  assert.equal(response.status, 200);
  await assert.rejects(response.json(), SyntaxError);
  assert.deepEqual(simulator.received(chatBody('Hello')), { received: 1, answered: 0 });
});

test('an empty answer and one cut in half are a 200 that looks whole, and not counted as answers', async () => {
  await using simulator = await startSimulator({ rateEmpty: 1 });
  const empty = await chat(simulator, chatBody('Hello'));
  assert.deepEqual([empty.status, await empty.text()], [200, '']);
  await simulator.configure({ rateEmpty: 0, rateCut: 1 });
  const cut = await chat(simulator, chatBody('Hello'));
  assert.equal(cut.status, 200);
  await assert.rejects(cut.json(), SyntaxError);
  assert.deepEqual(simulator.received(chatBody('Hello')), { received: 2, answered: 0 });
});

test('an answer that stalls begins and does not end until its client leaves', async () => {
  await using simulator = await startSimulator({ rateStall: 1, slots: 1 });
  const leaving = new AbortController();
  const response = await fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    body: chatBody('Hello'),
    signal: leaving.signal,
  });
  const reader = response.body!.getReader();
  assert.match(Buffer.from((await reader.read()).value ?? []).toString(), /^\{"id"/);
  const rest = assert.rejects(reader.read(), { name: 'AbortError' });
  leaving.abort();
  await rest;
  await until(() => simulator.stats().inFlight === 0);
  assert.equal(simulator.stats().abandoned, 1);
});

test('a slow answer comes in pieces over its time, whole and counted', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ rateSlow: 1, slowBodyMs: 60_000 }, { clock });
  const answered = chat(simulator, chatBody('Hello')).then((response) => response.json());
  await until(() => simulator.stats().running === 0 && simulator.stats().inFlight === 1);
  await clock.advance(59_999);
  assert.equal(simulator.stats().inFlight, 1);
  await clock.advance(1);
  assert.match(JSON.stringify(await answered), /chat\.completion/);
  await until(() => simulator.stats().inFlight === 0);
  assert.deepEqual(simulator.received(chatBody('Hello')), { received: 1, answered: 1 });
});

test('a text is refused each time it comes, and no other; a used-up quota refuses all', async () => {
  await using simulator = await startSimulator({ refuseText: 'secret' });
  const statusOf = async (text: string): Promise<number> => (await chat(simulator, chatBody(text))).status;
  assert.deepEqual(
    [await statusOf('a secret'), await statusOf('a secret'), await statusOf('Hello')],
    [403, 403, 200],
  );
  await simulator.configure({ quotaUsedUp: true });
  const refused = await chat(simulator, chatBody('Hello'));
  assert.equal(refused.status, 429);
  assert.match(await refused.text(), /"code":"insufficient_quota"/);
});

test('a text that crashes it cuts all that is in flight, and it is down for a while, each time', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ crashText: 'boom', crashMs: 5_000, rateHang: 1 }, { clock });
  for (const times of [1, 2]) {
    const beside = assert.rejects(chat(simulator, chatBody('Hello')));
    await until(() => simulator.stats().running === 1);
    await assert.rejects(chat(simulator, chatBody('boom')));
    await beside;
    await assert.rejects(chat(simulator, chatBody('Hello')), brokenBy('ECONNREFUSED'));
    assert.equal(simulator.stats().resets, 2 * times);
    await clock.advance(5_000);
    await until(() => simulator.listening);
  }
});

test('a request that hangs is over when its client leaves, and its slot is free again', async () => {
  await using simulator = await startSimulator({ rateHang: 1, slots: 1 });
  const leaving = new AbortController();
  const call = fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    body: chatBody('Hello'),
    signal: leaving.signal,
  });
  await until(() => simulator.stats().running === 1);
  leaving.abort();
  await assert.rejects(call, { name: 'AbortError' });
  await until(() => simulator.stats().inFlight === 0);
  assert.equal(simulator.stats().abandoned, 1);
  await simulator.configure({ rateHang: 0 });
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

test('down, it cuts what is in flight and refuses connections; up again, it listens on the same port', async () => {
  await using simulator = await startSimulator({ rateHang: 1 });
  const { url } = simulator;
  const hanging = assert.rejects(chat(simulator, chatBody('Hello')));
  await until(() => simulator.stats().running === 1);

  await simulator.configure({ down: true, rateHang: 0 });
  await hanging;
  await assert.rejects(chat(simulator, chatBody('Hello')), brokenBy('ECONNREFUSED'));
  assert.equal(simulator.stats().resets, 1);

  await simulator.configure({ down: false });
  assert.equal(simulator.url, url);
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

test('started down, it has its port and takes connections once it is up', async () => {
  await using simulator = await startSimulator({ down: true });
  await assert.rejects(chat(simulator, chatBody('Hello')), brokenBy('ECONNREFUSED'));
  await simulator.configure({ down: false });
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

test('an outage ends by itself', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({}, { clock });
  await simulator.outage(5000);
  await assert.rejects(chat(simulator, chatBody('Hello')), brokenBy('ECONNREFUSED'));
  await clock.advance(5000);
  await until(() => simulator.listening);
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

async function holdPort(url: string): Promise<Server> {
  const holder = createServer().listen(Number(new URL(url).port), '127.0.0.1');
  await once(holder, 'listening');
  return holder;
}

test('it stays down while another process holds its port, and says so', async () => {
  await using simulator = await startSimulator();
  await simulator.configure({ down: true });
  const holder = await holdPort(simulator.url);
  await assert.rejects(simulator.configure({ down: false }), { code: 'EADDRINUSE' });
  assert.equal(simulator.settings.down, true);

  holder.close();
  await once(holder, 'close');
  await simulator.configure({ down: false });
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

test('an outage lasts as long as another process holds the port', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({}, { clock });
  await simulator.outage(5000);
  const holder = await holdPort(simulator.url);
  await clock.advance(5000);
  await until(() => simulator.settings.down);

  holder.close();
  await once(holder, 'close');
  await clock.advance(1000);
  await until(() => simulator.listening);
  assert.equal((await chat(simulator, chatBody('Hello'))).status, 200);
});

test('closed while it comes up, it stays closed', async () => {
  await using simulator = await startSimulator({ down: true });
  const up = simulator.configure({ down: false });
  await simulator.close();
  await up;
  assert.equal(simulator.listening, false);
});

test('code can choose the failure of each request', async () => {
  await using simulator = await startSimulator(
    {},
    { chooseFault: ({ times }) => (times < 3 ? { kind: 'refuse', status: 503 } : null) },
  );
  const outcomes: number[] = [];
  for (let times = 0; times < 4; times++) outcomes.push((await chat(simulator, chatBody('Hello'))).status);
  assert.deepEqual(outcomes, [503, 503, 200, 200]);
});
