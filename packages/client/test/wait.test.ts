import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import { WaitTimeout, isComplete, waitUntilComplete } from '@bora/client/wait';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { JOB_STATUSES } from '@bora/protocol/mistral-jobs';
import { sampleJob } from './sample-job.ts';
import { steppingClock } from './stepping-clock.ts';
import { answerJson, tinyServer } from './tiny-server.ts';

function refusal(status: number | null, retryAfterMs: number | null = null): BoraError {
  return new BoraError('refused', { status, code: status === null ? 'no_answer' : 'refused', retryAfterMs });
}

/** Answers the script one by one, then the last one again and again. */
function play(script: readonly (BatchJob | BoraError)[]): () => Promise<BatchJob> {
  let at = 0;
  return () => {
    const next = script[Math.min(at, script.length - 1)];
    at += 1;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  };
}

const running = sampleJob();
const done = sampleJob({ status: 'SUCCESS' });

test('exactly the four end statuses are complete', () => {
  const complete = JOB_STATUSES.filter((status) => isComplete({ status }));
  assert.deepEqual(complete, ['SUCCESS', 'FAILED', 'TIMEOUT_EXCEEDED', 'CANCELLED']);
});

test('it looks at intervals and reports every look', async () => {
  const clock = steppingClock();
  const seen: string[] = [];
  const job = await waitUntilComplete(
    play([running, running, done]),
    { intervalMs: 500, onProgress: (looked) => seen.push(looked.status) },
    clock,
  );
  assert.equal(job.status, 'SUCCESS');
  assert.deepEqual(seen, ['RUNNING', 'RUNNING', 'SUCCESS']);
  assert.deepEqual(clock.pauses, [500, 500]);
});

test('failures of the server are waited out with growing pauses, which a good answer resets', async () => {
  const clock = steppingClock();
  const script = [refusal(null), refusal(503), refusal(502), running, refusal(500), done];
  await waitUntilComplete(play(script), { intervalMs: 1_000 }, clock);
  assert.deepEqual(clock.pauses, [1_000, 2_000, 4_000, 1_000, 1_000]);
});

test('a pause is at most 30 seconds, and at least what the server asks for', async () => {
  const clock = steppingClock();
  const script = [refusal(429, 7_000), refusal(429, 90_000), done];
  await waitUntilComplete(play(script), { intervalMs: 1_000 }, clock);
  assert.deepEqual(clock.pauses, [7_000, 30_000]);
});

test('a server that stays away ends the wait', async () => {
  const clock = steppingClock();
  await assert.rejects(
    waitUntilComplete(play([running, refusal(null)]), { unreachableMs: 60_000 }, clock),
    (error: BoraError) => error.status === null,
  );
  assert.ok(clock.elapsed() >= 60_000 && clock.elapsed() < 120_000, String(clock.elapsed()));
});

test('a 404 is tolerated in the first moments only', async () => {
  const clock = steppingClock();
  const job = await waitUntilComplete(play([refusal(404), done]), {}, clock);
  assert.equal(job.status, 'SUCCESS');
  await assert.rejects(waitUntilComplete(play([refusal(404)]), {}, steppingClock()), { status: 404 });
  await assert.rejects(waitUntilComplete(play([running, refusal(404)]), {}, steppingClock()), {
    status: 404,
  });
});

test('how long a job may be unknown at first is the caller to say', async () => {
  const clock = steppingClock();
  const options = { intervalMs: 1_000, appearsWithinMs: 60_000 };
  await assert.rejects(waitUntilComplete(play([refusal(404)]), options, clock), { status: 404 });
  assert.ok(clock.elapsed() >= 60_000, String(clock.elapsed()));
  const strict = steppingClock();
  await assert.rejects(waitUntilComplete(play([refusal(404)]), { appearsWithinMs: 0 }, strict), {
    status: 404,
  });
  assert.deepEqual(strict.pauses, []);
});

test('a refusal that time will not mend is thrown at once', async () => {
  const clock = steppingClock();
  await assert.rejects(waitUntilComplete(play([refusal(401)]), {}, clock), { status: 401 });
  assert.deepEqual(clock.pauses, []);
});

test('the time to wait ends with the job as last seen', async () => {
  const clock = steppingClock();
  await assert.rejects(
    waitUntilComplete(play([running]), { intervalMs: 2_000, timeoutMs: 5_000 }, clock),
    (error: WaitTimeout) =>
      error instanceof WaitTimeout && error.code === 'wait_timeout' && error.job === running,
  );
  assert.deepEqual(clock.pauses, [2_000, 2_000, 1_000]);
});

test('an abort ends the wait with its reason', async () => {
  const controller = new AbortController();
  const clock = steppingClock();
  const reason = new Error('enough');
  await assert.rejects(
    waitUntilComplete(
      play([running]),
      { signal: controller.signal, onProgress: () => controller.abort(reason) },
      clock,
    ),
    reason,
  );
});

test('a wait asks for no outputs, which an inline job would bring along', async () => {
  const asked: (string | undefined)[] = [];
  await using server = await tinyServer(({ url }, response) => {
    asked.push(url);
    answerJson(response, done);
  });
  await new BoraClient({ baseUrl: server.url }).jobs.waitUntilComplete('x');
  assert.deepEqual(asked, ['/v1/batch/jobs/x?inline=false']);
});

test('a wait that is given up leaves neither a timer nor a listener nor a call', async () => {
  let calls = 0;
  const { promise: looked, resolve } = Promise.withResolvers<void>();
  await using server = await tinyServer((_request, response) => {
    calls += 1;
    answerJson(response, running);
    resolve();
  });
  const controller = new AbortController();
  const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  const client = new BoraClient({ baseUrl: server.url });
  const waiting = client.jobs.waitUntilComplete('x', {
    intervalMs: 3_600_000,
    signal: controller.signal,
    onProgress: () => setImmediate(() => controller.abort(new Error('enough'))),
  });
  await looked;
  await assert.rejects(waiting, /^Error: enough$/);
  assert.ok(timers() <= before + 1, 'the pause of an hour still runs');
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  assert.equal(calls, 1);
});
