import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BreakableUpstream, hold } from './breakable-upstream.ts';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { answerWell, questionLine, questionOf, startPacedBora, waitingOf } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const CHAT = '/v1/chat/completions';

/** A Bora whose only upstream died after it had answered `a`, with a job over `a`, `b` and `c` that has been parked for it. */
async function startWithParkedJob(): Promise<
  { bora: PacedBora; upstream: BreakableUpstream; id: string } & AsyncDisposable
> {
  await using starting = new AsyncDisposableStack();
  const upstream = starting.use(await BreakableUpstream.open());
  upstream.reply = (request) => (questionOf(request) === 'a' ? answerWell : hold)(request);
  const bora = starting.use(await startPacedBora({ upstreams: [{ url: upstream.url, max_in_flight: 2 }] }));
  const { id } = await bora.client.jobs.create({
    endpoint: CHAT,
    model: 'm',
    input_files: [await bora.uploadQuestions(['a', 'b', 'c'])],
    timeout_hours: 1,
  });
  await bora.until(id, (job) => job.succeeded_requests === 1 && upstream.requests.length === 3);
  await upstream.close();
  await untilParked(bora);
  const started = starting.move();
  return { bora, upstream, id, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

function untilParked(bora: PacedBora): Promise<void> {
  return bora.eventually(async () =>
    (await (await fetch(`${bora.url}/metrics`)).text()).includes('bora_shards{state="parked"} 1'),
  );
}

test(
  'a job that waits for a dead upstream is cancelled within seconds, and keeps what it had',
  TIMEOUT,
  async () => {
    await using parked = await startWithParkedJob();
    const { bora, id } = parked;
    assert.equal((await bora.client.jobs.cancel(id)).status, 'CANCELLATION_REQUESTED');
    const asked = bora.clock.elapsed();
    const job = await bora.ended(id);
    assert.ok(bora.clock.elapsed() - asked < 10_000);
    assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['CANCELLED', 1, 0]);
    assert.deepEqual([...(await bora.results(job)).keys()], ['a']);
  },
);

test(
  'a job that waits for a dead upstream ends at its deadline, and keeps what it had',
  TIMEOUT,
  async () => {
    await using parked = await startWithParkedJob();
    const { bora, id } = parked;
    await bora.pass(3_600_000);
    const job = await bora.ended(id);
    assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['TIMEOUT_EXCEEDED', 1, 0]);
    assert.deepEqual([...(await bora.results(job)).keys()], ['a']);
  },
);

test(
  'a job that waits for a dead upstream is deleted, and its requests are not sent when it is back',
  TIMEOUT,
  async () => {
    await using parked = await startWithParkedJob();
    const { bora, upstream, id } = parked;
    await bora.client.jobs.delete(id);
    upstream.reply = answerWell;
    await upstream.listen();
    await bora.pass(60_000);
    assert.equal(upstream.requests.length, 3);
    const next = await bora.ended(await bora.ask(['d']));
    assert.deepEqual([next.status, waitingOf(next), upstream.requests.length], ['SUCCESS', '', 4]);
  },
);

test(
  'a job that waits for a dead upstream over a restart says so again, and goes on where it was',
  TIMEOUT,
  async () => {
    await using folder = await makeTemporaryFolder();
    await using upstream = await BreakableUpstream.open();
    upstream.reply = (request) => (questionOf(request) === 'a' ? answerWell : hold)(request);
    const options = { upstreams: [{ url: upstream.url, max_in_flight: 2 }], dataFolder: folder.path };
    const before = await startPacedBora(options);
    const id = await before.ask(['a', 'b', 'c']);
    await before.until(id, (job) => job.succeeded_requests === 1 && upstream.requests.length === 3);
    await upstream.close();
    await untilParked(before);
    await before[Symbol.asyncDispose]();

    await using after = await startPacedBora(options);
    const waiting = await after.until(id, (job) => waitingOf(job) !== '');
    assert.match(waitingOf(waiting), /refuses connections .*; next try in/);
    assert.deepEqual([waiting.status, waiting.succeeded_requests], ['RUNNING', 1]);
    upstream.reply = answerWell;
    await upstream.listen();
    const job = await after.ended(id);
    assert.deepEqual([job.status, job.succeeded_requests, job.failed_requests], ['SUCCESS', 3, 0]);
    assert.deepEqual(upstream.requests.map(questionOf).toSorted().join(''), 'abbcc');
  },
);

test(
  'a job that waits for several dead upstreams names each of them, and goes on with any',
  TIMEOUT,
  async () => {
    await using x = await BreakableUpstream.open();
    await using y = await BreakableUpstream.open();
    for (const upstream of [x, y]) {
      upstream.reply = answerWell;
      await upstream.close();
    }
    await using bora = await startPacedBora({
      upstreams: [
        { url: x.url, models: ['x'] },
        { url: y.url, models: ['y'] },
      ],
    });
    const lines = Array.from({ length: 20 }, (_, at) => questionLine(`q${at}`, at % 2 === 0 ? 'x' : 'y'));
    const { id: input } = await bora.client.files.upload(new Blob(lines));
    const { id } = await bora.client.jobs.create({ endpoint: CHAT, input_files: [input] });
    const reasons = await bora.until(id, (job) => (job.bora?.waiting ?? []).length === 2);
    for (const { url } of [x, y]) assert.match(waitingOf(reasons), new RegExp(`${url} refuses connections`));

    await y.listen();
    const half = await bora.until(id, (job) => job.succeeded_requests === 10);
    assert.match(waitingOf(half), new RegExp(`^${x.url} refuses connections.*`));
    await bora.pass(60_000);
    assert.match(waitingOf(await bora.client.jobs.get(id)), new RegExp(`^${x.url} refuses connections.*`));
    await x.listen();
    assert.equal((await bora.ended(id)).succeeded_requests, 20);
  },
);
