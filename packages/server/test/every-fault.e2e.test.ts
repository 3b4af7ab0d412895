import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fault } from '@bora/simulator/faults';
import { startSimulator } from '@bora/simulator/simulator';
import { questionOfBody, startPacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 60_000 };
const MODEL = 'simulated-chat';

/** Each once; a kind that the simulator gains and this lacks does not compile. */
const FAULTS: Readonly<Record<Fault['kind'], Fault>> = {
  refuse: { kind: 'refuse', status: 429 },
  fail: { kind: 'fail' },
  'reset-before': { kind: 'reset-before' },
  'reset-during': { kind: 'reset-during' },
  hang: { kind: 'hang' },
  crash: { kind: 'crash' },
  garbage: { kind: 'garbage' },
  empty: { kind: 'empty' },
  cut: { kind: 'cut' },
  stall: { kind: 'stall' },
  slow: { kind: 'slow' },
};

test(
  'a job whose requests meet every fault at once, each the first time it comes, loses none',
  TIMEOUT,
  async () => {
    const kinds = Object.values(FAULTS);
    const met = new Set<string>();
    await using simulator = await startSimulator(
      { crashMs: 1, slowBodyMs: 5, latencyMs: { min: 0, max: 5 }, retryAfterSeconds: 2 },
      {
        chooseFault: ({ body, times }) => {
          const question = Number(questionOfBody(body));
          const fault = kinds[question % kinds.length];
          if (times > 1) return null;
          met.add(fault.kind);
          return fault;
        },
      },
    );
    await using bora = await startPacedBora({
      upstreams: [{ url: simulator.url, max_in_flight: 16, timeout_seconds: 30 }],
    });
    const questions = Array.from({ length: 8 * kinds.length }, (_, at) => String(at));
    const { id } = await bora.client.jobs.create({
      endpoint: '/v1/chat/completions',
      model: MODEL,
      input_files: [await bora.uploadQuestions(questions)],
    });
    const job = await bora.ended(id);
    assert.deepEqual(
      [job.status, job.succeeded_requests, job.failed_requests, job.errors],
      ['SUCCESS', questions.length, 0, []],
    );
    assert.deepEqual([...(await bora.results(job)).keys()], questions);
    assert.equal(met.size, kinds.length);
    assert.equal(simulator.stats().bodiesAnsweredMoreThanOnce, 0, 'no answer is bought twice');
  },
);

test('a job under every failure rate at once ends with one line per request, in order', TIMEOUT, async () => {
  const rates = {
    rate429: 0.05,
    rate503: 0.05,
    rate500: 0.05,
    rateResetBefore: 0.05,
    rateResetDuring: 0.05,
    rateHang: 0.02,
    rateGarbage: 0.05,
    rateEmpty: 0.05,
    rateCut: 0.05,
    rateStall: 0.02,
    rateSlow: 0.05,
  };
  await using simulator = await startSimulator({
    ...rates,
    slowBodyMs: 20,
    crashMs: 20,
    refuseText: 'forbidden',
    crashText: 'boom',
  });
  await using bora = await startPacedBora({
    upstreams: [{ url: simulator.url, max_in_flight: 16, timeout_seconds: 30 }],
  });
  const questions = Array.from({ length: 300 }, (_, at) => `q${at}`).toSpliced(100, 1, 'boom');
  questions.splice(200, 1, 'forbidden');
  const { id } = await bora.client.jobs.create({
    endpoint: '/v1/chat/completions',
    model: MODEL,
    input_files: [await bora.uploadQuestions(questions)],
  });
  const job = await bora.ended(id);
  assert.equal(job.status, 'SUCCESS');
  const results = await bora.results(job);
  assert.deepEqual([...results.keys()].toSorted(), questions.toSorted());
  assert.equal(results.get('forbidden')?.response?.status_code, 403);
  assert.notEqual(results.get('boom')?.response?.status_code, 200);
  assert.ok(job.failed_requests < 30, `${job.failed_requests} of 300 lines failed`);
  assert.equal(simulator.stats().bodiesAnsweredMoreThanOnce, 0, 'no answer is bought twice');
});
