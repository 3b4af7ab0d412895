import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startSimulator } from '@bora/simulator/simulator';
import { chat, chatBody, statuses, until } from './calls.ts';
import { ManualClock } from './manual-clock.ts';

test('slots work, the rest waits in order and nobody is refused', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 2, latencyMs: 100 }, { clock });
  const answered: number[] = [];
  const calls: Promise<void>[] = [];
  for (let index = 0; index < 5; index++) {
    calls.push(
      chat(simulator, chatBody(String(index))).then(() => {
        answered.push(index);
      }),
    );
    await until(() => simulator.stats().requests === index + 1);
  }
  const { running, waiting, inFlight } = simulator.stats();
  assert.deepEqual({ running, waiting, inFlight }, { running: 2, waiting: 3, inFlight: 5 });

  for (const expected of [2, 4, 5]) {
    await clock.advance(100);
    await until(() => answered.length >= expected);
    assert.equal(answered.length, expected);
  }
  await Promise.all(calls);
  assert.deepEqual(new Set(answered.slice(0, 2)), new Set([0, 1]));
  assert.equal(answered[4], 4);
  assert.equal(simulator.stats().maxInFlight, 5);
});

test('busy slot-time is the sum of the time slots worked, also as it stood at the last request', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 2, latencyMs: 100 }, { clock });
  const first = chat(simulator, chatBody('0'));
  await until(() => simulator.stats().requests === 1);
  await clock.advance(60);
  const second = chat(simulator, chatBody('1'));
  await until(() => simulator.stats().requests === 2);
  await clock.advance(1000);
  await Promise.all([first, second]);
  const { busySlotMs, busySlotMsAtLastRequest, firstRequestAt, lastRequestAt } = simulator.stats();
  assert.deepEqual([busySlotMs, busySlotMsAtLastRequest], [200, 60]);
  assert.deepEqual([firstRequestAt, lastRequestAt], [1_000_000, 1_000_060]);
});

test('the time of an answer is its latency and that of its tokens', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator(
    { latencyMs: 50, outputTokens: 10, tokensPerSecond: 100 },
    { clock },
  );
  const call = chat(simulator, chatBody('Hello'));
  await until(() => simulator.stats().running === 1);
  await clock.advance(149);
  assert.equal(simulator.stats().running, 1);
  await clock.advance(1);
  assert.equal((await call).status, 200);
});

test('a client that leaves the queue is not worked for', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 1, latencyMs: 100 }, { clock });
  const working = chat(simulator, chatBody('0'));
  await until(() => simulator.stats().running === 1);
  const leaving = new AbortController();
  const gone = fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    body: chatBody('1'),
    signal: leaving.signal,
  });
  await until(() => simulator.stats().waiting === 1);
  leaving.abort();
  await assert.rejects(gone);
  await until(() => simulator.stats().waiting === 0);
  await clock.advance(100);
  await working;
  assert.equal(simulator.stats().busySlotMs, 100);
  assert.equal(simulator.stats().abandoned, 1);
});

test('a client that leaves during the work ends it: the slot is free and no timer is left', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 1, latencyMs: 3_600_000 }, { clock });
  const leaving = new AbortController();
  const gone = fetch(`${simulator.url}/v1/chat/completions`, {
    method: 'POST',
    body: chatBody('0'),
    signal: leaving.signal,
  });
  await until(() => clock.waiting === 1);
  leaving.abort();
  await assert.rejects(gone);
  await until(() => simulator.stats().running === 0);
  assert.equal(clock.waiting, 0);
  assert.deepEqual(simulator.received(chatBody('0')), { received: 1, answered: 0 });
});

test('with a limit on the queue the next one is refused as TGI does', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 1, maxQueued: 1, latencyMs: 100 }, { clock });
  const accepted = [chat(simulator, chatBody('0')), chat(simulator, chatBody('1'))];
  await until(() => simulator.stats().waiting === 1);
  const refused = await chat(simulator, chatBody('2'));
  assert.equal(refused.status, 429);
  assert.deepEqual(await refused.json(), { error: 'Model is overloaded', error_type: 'overloaded' });
  await clock.advance(100);
  await clock.advance(100);
  assert.deepEqual(
    (await Promise.all(accepted)).map(({ status }) => status),
    [200, 200],
  );
});

test('more slots start at once those who wait', async () => {
  const clock = new ManualClock();
  await using simulator = await startSimulator({ slots: 1, latencyMs: 100 }, { clock });
  const calls = statuses(simulator, 5);
  await until(() => simulator.stats().requests === 5);
  await simulator.configure({ slots: 5 });
  assert.equal(simulator.stats().running, 5);
  await clock.advance(100);
  assert.deepEqual(await calls, [200, 200, 200, 200, 200]);
});
