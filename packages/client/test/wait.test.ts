import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoraError } from '@bora/client/bora-error';
import { WaitTimeout, isComplete, waitUntilComplete } from '@bora/client/wait';
import type { WaitClock } from '@bora/client/wait';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { JOB_STATUSES } from '@bora/protocol/mistral-jobs';
import { sampleJob } from './sample-job.ts';

/** A clock that sleeps by moving on, and remembers how long. */
function steppingClock(): WaitClock & { readonly pauses: number[] } {
  let now = 0;
  const pauses: number[] = [];
  return {
    pauses,
    elapsed: () => now,
    sleep(ms, signal) {
      signal?.throwIfAborted();
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

function refusal(status: number | null, retryAfterMs: number | null = null): BoraError {
  return new BoraError('refused', { status, code: null, body: null, requestId: null, retryAfterMs });
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

test('a refusal that time will not mend is thrown at once', async () => {
  const clock = steppingClock();
  await assert.rejects(waitUntilComplete(play([refusal(401)]), {}, clock), { status: 401 });
  assert.deepEqual(clock.pauses, []);
});

test('the time to wait ends with the job as last seen', async () => {
  const clock = steppingClock();
  await assert.rejects(
    waitUntilComplete(play([running]), { intervalMs: 2_000, timeoutMs: 5_000 }, clock),
    (error: WaitTimeout) => error instanceof WaitTimeout && error.job === running,
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
