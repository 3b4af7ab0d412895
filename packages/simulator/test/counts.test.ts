import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyCounts, fingerprintOf } from '@bora/simulator/body-counts';
import { startSimulator } from '@bora/simulator/simulator';
import { chat, chatBody, post, statuses } from './calls.ts';

test('each body is counted: how often it came, how often it was answered', async () => {
  await using simulator = await startSimulator();
  await statuses(simulator, 3);
  await statuses(simulator, 1);
  assert.deepEqual(simulator.received(chatBody('0')), { received: 2, answered: 2 });
  assert.deepEqual(simulator.received(Buffer.from(chatBody('1'))), { received: 1, answered: 1 });
  assert.deepEqual(simulator.received(chatBody('unseen')), { received: 0, answered: 0 });
  const { requests, distinctBodies, bodiesAnsweredMoreThanOnce, answersByStatus } = simulator.stats();
  assert.deepEqual(
    { requests, distinctBodies, bodiesAnsweredMoreThanOnce, answersByStatus },
    { requests: 4, distinctBodies: 3, bodiesAnsweredMoreThanOnce: 1, answersByStatus: { 200: 4 } },
  );
});

test('refusals are received and counted by status, not answered', async () => {
  await using simulator = await startSimulator({ rate503: 1 });
  await statuses(simulator, 2);
  assert.deepEqual(simulator.received(chatBody('0')), { received: 1, answered: 0 });
  assert.deepEqual(simulator.stats().answersByStatus, { 503: 2 });
});

test('reset forgets bodies and counts', async () => {
  await using simulator = await startSimulator();
  await statuses(simulator, 3);
  simulator.reset();
  const { requests, distinctBodies, busySlotMs, firstRequestAt } = simulator.stats();
  assert.deepEqual(
    { requests, distinctBodies, busySlotMs, firstRequestAt },
    { requests: 0, distinctBodies: 0, busySlotMs: 0, firstRequestAt: null },
  );
  assert.deepEqual(simulator.received(chatBody('0')), { received: 0, answered: 0 });
});

test('told to forget bodies, it counts requests only, and a body that failed may still succeed', async () => {
  await using simulator = await startSimulator({ forgetBodies: true, rate503: 0.5 });
  for (let times = 0; times < 20; times++) await statuses(simulator, 1);
  const { requests, distinctBodies, answersByStatus } = simulator.stats();
  assert.deepEqual([requests, distinctBodies], [20, 0]);
  assert.deepEqual(Object.keys(answersByStatus), ['200', '503']);
  assert.deepEqual(simulator.received(chatBody('0')), { received: 0, answered: 0 });
});

test('a table of bodies keeps every count as it grows', () => {
  const counts = new BodyCounts();
  const prints = Array.from({ length: 20_000 }, (_, index) => fingerprintOf(`body ${index}`));
  for (const [index, print] of prints.entries()) {
    assert.equal(counts.receive(print), 1);
    if (index % 3 === 0) assert.equal(counts.receive(print), 2);
    if (index % 5 === 0) counts.answer(print);
    if (index % 10 === 0) counts.answer(print);
  }
  assert.equal(counts.distinct, 20_000);
  assert.equal(counts.answeredMoreThanOnce, 2_000);
  for (const [index, print] of prints.entries()) {
    const answered = index % 10 === 0 ? 2 : index % 5 === 0 ? 1 : 0;
    assert.deepEqual(counts.counts(print), { received: index % 3 === 0 ? 2 : 1, answered });
  }
});

test('bodies whose fingerprints differ in one half alone are different bodies', () => {
  const counts = new BodyCounts();
  counts.receive({ high: 1, low: 1 });
  assert.equal(counts.receive({ high: 2, low: 1 }), 1);
  assert.equal(counts.receive({ high: 1, low: 2 }), 1);
  assert.equal(counts.receive({ high: 1, low: 1 }), 2);
});

test('counts and settings can be read and changed over HTTP', async () => {
  await using simulator = await startSimulator();
  const { url } = simulator;
  await chat(simulator, chatBody('0'));
  const read = async (path: string): Promise<unknown> => (await fetch(`${url}${path}`)).json();
  assert.deepEqual(await read('/simulator/stats'), { ...simulator.stats() });
  assert.deepEqual(await (await post(url, '/simulator/received', chatBody('0'))).json(), {
    received: 1,
    answered: 1,
  });

  const changed = await post(url, '/simulator/configure', '{"rate503": 1}');
  assert.equal(((await changed.json()) as { rate503: number }).rate503, 1);
  assert.equal((await chat(simulator, chatBody('1'))).status, 503);

  await post(url, '/simulator/reset', '');
  assert.equal(simulator.stats().requests, 0);
});

test('metrics show what vLLM shows', async () => {
  await using simulator = await startSimulator({ models: ['m'] });
  await chat(simulator, chatBody('0', { model: 'm' }));
  const text = await (await fetch(`${simulator.url}/metrics`)).text();
  assert.match(text, /^vllm:num_requests_running\{engine="0",model_name="m"\} 0$/m);
  assert.match(text, /^vllm:num_requests_waiting\{engine="0",model_name="m"\} 0$/m);
  assert.match(text, /^simulator_answers_total\{status="200"\} 1$/m);
});
