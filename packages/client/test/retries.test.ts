import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import type { NewJob } from '@bora/client/job-types';
import { JobNotVisibleYet } from '@bora/client/not-yet';
import { sampleJob } from './sample-job.ts';
import { steppingClock } from './stepping-clock.ts';
import type { SteppingClock } from './stepping-clock.ts';

/** What one call meets: no answer, a status, or one with headers and a body. */
type Fate = 'lost' | number | { status: number; headers?: Record<string, string>; body?: unknown };

interface World {
  readonly client: BoraClient;
  readonly clock: SteppingClock;
  /** `METHOD path` of each call, in order. */
  readonly calls: string[];
}

/** A client whose calls meet the script one by one, and succeed with `{}` after it. */
function meeting(script: readonly Fate[], options: { maxRetries?: number; random?: number } = {}): World {
  const clock = steppingClock();
  const calls: string[] = [];
  const client = new BoraClient({
    clock,
    ...(options.maxRetries === undefined ? {} : { maxRetries: options.maxRetries }),
    random: () => options.random ?? 1,
    fetch: async (input, init) => {
      calls.push(`${init?.method} ${new URL(input).pathname}`);
      if (init?.body instanceof ReadableStream) await new Response(init.body).arrayBuffer();
      const fate = script[calls.length - 1] ?? 200;
      if (fate === 'lost') throw new TypeError('fetch failed');
      const { status, headers, body } = typeof fate === 'number' ? { status: fate } : fate;
      return Response.json(body ?? {}, { status, ...(headers === undefined ? {} : { headers }) });
    },
  });
  return { client, clock, calls };
}

const PASSING: readonly Fate[] = ['lost', 408, 429, 500, 502, 503, 504];
const job: NewJob = { endpoint: '/v1/embeddings', input_files: ['f'] };

test('looking, deleting, cancelling and pausing are tried again after whatever passes', async () => {
  for (const fate of PASSING) {
    for (const call of [
      ({ client }: World) => client.jobs.get('x'),
      ({ client }: World) => client.jobs.list(),
      ({ client }: World) => client.files.content('x'),
      ({ client }: World) => client.files.delete('x'),
      ({ client }: World) => client.jobs.cancel('x'),
      ({ client }: World) => client.upstreams.pause('x'),
    ]) {
      const world = meeting([fate, fate]);
      await call(world);
      assert.equal(world.calls.length, 3, `${call.toString()} after ${JSON.stringify(fate)}`);
    }
  }
});

test('what was refused for good is not tried again', async () => {
  for (const status of [400, 401, 403, 404, 409, 413, 422, 501, 507]) {
    const world = meeting([status]);
    await assert.rejects(world.client.jobs.get('x'), { status });
    assert.equal(world.calls.length, 1, String(status));
  }
});

test('creating a job and uploading are tried again after 429 alone', async () => {
  for (const fate of PASSING) {
    for (const call of [
      ({ client }: World) => client.jobs.create(job),
      ({ client }: World) => client.files.upload(new Blob(['{}'])),
    ]) {
      const world = meeting([fate]);
      if (fate === 429) await call(world);
      else await assert.rejects(call(world), BoraError);
      assert.equal(
        world.calls.length,
        fate === 429 ? 2 : 1,
        `${call.toString()} after ${JSON.stringify(fate)}`,
      );
    }
  }
});

test('an upload from a stream is never tried again: the stream is gone', async () => {
  const world = meeting([429]);
  await assert.rejects(world.client.files.upload(new Blob(['{}']).stream()), { status: 429 });
  assert.equal(world.calls.length, 1);
});

test('after so many tries the last failure is thrown, and none is made again where the client is told so', async () => {
  const world = meeting([500, 502, 503, 504], { maxRetries: 3 });
  await assert.rejects(world.client.jobs.list(), { status: 504 });
  assert.equal(world.calls.length, 4);
  const once = meeting([500], { maxRetries: 0 });
  await assert.rejects(once.client.jobs.list(), { status: 500 });
  assert.deepEqual([once.calls.length, once.clock.pauses], [1, []]);
});

test('pauses double up to eight seconds, half of each by chance', async () => {
  const always = Array.from({ length: 8 }, () => 500);
  const most = meeting(always, { maxRetries: 7, random: 1 });
  await assert.rejects(most.client.jobs.list());
  assert.deepEqual(most.clock.pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000]);
  const least = meeting(always, { maxRetries: 7, random: 0 });
  await assert.rejects(least.client.jobs.list());
  assert.deepEqual(least.clock.pauses, [125, 250, 500, 1_000, 2_000, 4_000, 4_000]);
});

test('a pause is never shorter than the server asks, in milliseconds, seconds or as a date by its own clock', async () => {
  const asks: readonly [Record<string, string>, number][] = [
    [{ 'retry-after-ms': '1500', 'retry-after': '9' }, 1_500],
    [{ 'retry-after': '7' }, 7_000],
    [{ 'retry-after': '0.5' }, 500],
    [{ 'retry-after': 'Fri, 01 May 2026 10:00:30 GMT', date: 'Fri, 01 May 2026 10:00:00 GMT' }, 30_000],
    [{ 'retry-after': '0' }, 250],
    [{ 'retry-after': 'soon' }, 250],
  ];
  for (const [headers, pause] of asks) {
    const world = meeting([{ status: 503, headers }]);
    await world.client.jobs.list();
    assert.deepEqual(world.clock.pauses, [pause], JSON.stringify(headers));
  }
});

test('who is asked to wait for more than a minute is told so at once', async () => {
  const world = meeting([{ status: 429, headers: { 'retry-after': '61' } }]);
  await assert.rejects(world.client.jobs.list(), { status: 429, retryAfterMs: 61_000 });
  assert.deepEqual(world.clock.pauses, []);
});

test('an abort ends the pause before the next try, with its own reason', async () => {
  const reason = new Error('enough');
  const controller = new AbortController();
  let calls = 0;
  const client = new BoraClient({
    fetch: async () => {
      calls += 1;
      setImmediate(() => controller.abort(reason));
      return new Response('', { status: 503, headers: { 'retry-after': '59' } });
    },
  });
  await assert.rejects(client.jobs.list({}, controller.signal), reason);
  assert.equal(calls, 1);
});

test('a deletion whose answer was lost, and that finds nothing when it is repeated, has happened', async () => {
  for (const first of ['lost', 502] as const) {
    const world = meeting([first, 404]);
    assert.deepEqual(await world.client.files.delete('x'), { id: 'x', object: 'file', deleted: true });
    const jobs = meeting([first, 404]);
    assert.deepEqual(await jobs.client.jobs.delete('x'), { id: 'x', object: 'batch', deleted: true });
  }
  await assert.rejects(meeting([404]).client.files.delete('x'), { status: 404 });
  await assert.rejects(meeting([429, 404]).client.files.delete('x'), { status: 404 });
});

test('a wait tells its own pauses: its looks are not repeated beneath it', async () => {
  const world = meeting([503, { status: 200, body: sampleJob({ status: 'SUCCESS' }) }]);
  await world.client.jobs.waitUntilComplete('x', { intervalMs: 1_000 });
  assert.deepEqual(world.clock.pauses, [1_000]);
});

test('a job that this client created moments ago and that is not found is not to be seen yet', async () => {
  const created = sampleJob({ id: 'j' });
  const world = meeting([{ status: 200, body: created }, 404, 404, 404]);
  await world.client.jobs.create(job);
  await assert.rejects(world.client.jobs.get('j'), (error: JobNotVisibleYet) => {
    assert.ok(error instanceof JobNotVisibleYet);
    assert.deepEqual(
      [error.code, error.status, error.jobId, error.transient],
      ['job_not_visible_yet', 404, 'j', true],
    );
    return true;
  });
  await assert.rejects(world.client.jobs.get('other'), { code: 'refused', status: 404 });
  await world.clock.sleep(15_000);
  await assert.rejects(world.client.jobs.get('j'), { code: 'refused', status: 404 });
});

test('a job that was seen, or deleted, is not found for good', async () => {
  const created: Fate = { status: 200, body: sampleJob({ id: 'j' }) };
  const seen = meeting([created, created, 404]);
  await seen.client.jobs.create(job);
  await seen.client.jobs.get('j');
  await assert.rejects(seen.client.jobs.get('j'), { code: 'refused' });
  const deleted = meeting([created, 200, 404]);
  await deleted.client.jobs.create(job);
  await deleted.client.jobs.delete('j');
  await assert.rejects(deleted.client.jobs.get('j'), { code: 'refused' });
});
