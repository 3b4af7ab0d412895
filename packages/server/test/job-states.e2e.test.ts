import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { Database } from '../src/storage/ports/database.ts';
import { BreakableUpstream, hold, json } from './breakable-upstream.ts';
import { answerWell, questionOf, startPacedBora, waitingOf } from './paced-bora.ts';
import { assertSeenByOpenAi } from './openai-view-of-job.ts';
import type { PacedBora } from './paced-bora.ts';

/**
 * Each job as a whole, as `GET /v1/batch/jobs/{id}` shows it, so that a member that appears or changes is noticed in every state; and as
 * OpenAI's clients see it.
 */

const TIMEOUT = { timeout: 20_000 };
const CHAT = '/v1/chat/completions';

interface Scene extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly bora: PacedBora;
}

/** The upstream refuses the question `bad`, never answers `slow`, and answers everything else. */
async function startScene(wrapDatabase?: (database: Database) => Database): Promise<Scene> {
  await using starting = new AsyncDisposableStack();
  const upstream = starting.use(await BreakableUpstream.open());
  upstream.reply = (request) => {
    const question = questionOf(request);
    if (question.startsWith('slow')) hold(request);
    else if (question.startsWith('bad')) json(400, { object: 'error', message: 'no' })(request);
    else answerWell(request);
  };
  const bora = starting.use(
    await startPacedBora({
      upstreams: [{ name: 'gpu', url: upstream.url, timeout_seconds: 100_000 }],
      overrides: wrapDatabase === undefined ? {} : { database: wrapDatabase },
    }),
  );
  const started = starting.move();
  return { upstream, bora, [Symbol.asyncDispose]: () => started[Symbol.asyncDispose]() };
}

/** A job of the questions, created at a whole second of its Bora's time. */
async function create(bora: PacedBora, questions: readonly string[]): Promise<BatchJob> {
  const input = await bora.uploadQuestions(questions);
  await bora.clock.advance(1_000 - (bora.clock.now() % 1_000));
  return bora.client.jobs.create({
    endpoint: CHAT,
    model: 'm',
    input_files: [input],
    metadata: { suite: 'states' },
    timeout_hours: 1,
  });
}

/** As it is right after its creation. */
function fresh(job: BatchJob, totalRequests: number): BatchJob {
  return {
    id: job.id,
    object: 'batch',
    input_files: job.input_files,
    metadata: { suite: 'states' },
    endpoint: CHAT,
    model: 'm',
    agent_id: null,
    output_file: null,
    error_file: null,
    errors: [],
    outputs: null,
    status: 'QUEUED',
    created_at: job.created_at,
    total_requests: totalRequests,
    completed_requests: 0,
    succeeded_requests: 0,
    failed_requests: 0,
    started_at: null,
    completed_at: null,
    bora: {
      state: 'validating',
      waiting: [],
      usage: { input_tokens: 0, output_tokens: 0 },
      deadline_at: job.created_at + 3_600,
      cancelling_at: null,
      finalizing_at: null,
      failure: null,
    },
  };
}

/** `job` is what `before` was, with these changes; times are not foretold, only that they come in order. */
function assertIs(job: BatchJob, before: BatchJob, changes: Partial<BatchJob>): void {
  const { started_at, completed_at } = job;
  const { cancelling_at, finalizing_at } = job.bora!;
  assert.deepEqual(Object.keys(job), Object.keys(before));
  assert.deepEqual(job, {
    ...before,
    started_at,
    completed_at,
    ...changes,
    bora: { ...before.bora, cancelling_at, finalizing_at, ...changes.bora },
  });
  const times = [job.created_at, started_at, cancelling_at, finalizing_at, completed_at].filter(
    (time) => time != null,
  );
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
}

function assertTimes(
  job: BatchJob,
  told: readonly ('started' | 'cancelling' | 'finalizing' | 'completed')[],
): void {
  assert.deepEqual(
    {
      started: job.started_at !== null,
      cancelling: job.bora!.cancelling_at !== null,
      finalizing: job.bora!.finalizing_at !== null,
      completed: job.completed_at !== null,
    },
    {
      started: told.includes('started'),
      cancelling: told.includes('cancelling'),
      finalizing: told.includes('finalizing'),
      completed: told.includes('completed'),
    },
  );
}

async function linesOf(bora: PacedBora, fileId: string | null): Promise<number> {
  if (fileId === null) return 0;
  const response = await fetch(`${bora.url}/v1/files/${fileId}/content`);
  return (await response.text()).split('\n').length - 1;
}

const TWO_GOOD = { usage: { input_tokens: 6, output_tokens: 4 } };
const COUNTS = { completed_requests: 3, succeeded_requests: 2, failed_requests: 1 };
const ERRORS = [{ message: 'HTTP Error, status code: 400', count: 1 }];

test('QUEUED → RUNNING → SUCCESS with an output and an error file', TIMEOUT, async () => {
  await using scene = await startScene();
  const { upstream, bora } = scene;
  const created = await create(bora, ['one', 'bad', 'two', 'slow']);
  const before = fresh(created, 4);
  assertIs(created, before, {});
  assertTimes(created, []);

  const running = await bora.until(created.id, (job) => job.completed_requests === 3);
  assertIs(running, before, { status: 'RUNNING', ...COUNTS, bora: { state: 'running', ...TWO_GOOD } });
  assertTimes(running, ['started']);
  await assertSeenByOpenAi(bora.url, running);

  answerWell(upstream.requests.find((request) => questionOf(request) === 'slow')!);
  const ended = await bora.ended(created.id);
  assertIs(ended, before, {
    status: 'SUCCESS',
    completed_requests: 4,
    succeeded_requests: 3,
    failed_requests: 1,
    errors: ERRORS,
    output_file: ended.output_file,
    error_file: ended.error_file,
    bora: { state: 'completed', usage: { input_tokens: 9, output_tokens: 6 } },
  });
  assertTimes(ended, ['started', 'finalizing', 'completed']);
  await assertSeenByOpenAi(bora.url, ended);
  assert.deepEqual([await linesOf(bora, ended.output_file), await linesOf(bora, ended.error_file)], [3, 1]);
});

test('SUCCESS of a job all of whose lines failed has no output file', TIMEOUT, async () => {
  await using scene = await startScene();
  const { bora } = scene;
  const created = await create(bora, ['bad', 'bad too']);
  const ended = await bora.ended(created.id);
  assertIs(ended, fresh(created, 2), {
    status: 'SUCCESS',
    completed_requests: 2,
    failed_requests: 2,
    errors: [{ message: 'HTTP Error, status code: 400', count: 2 }],
    error_file: ended.error_file,
    bora: { state: 'completed' },
  });
  assert.equal(await linesOf(bora, ended.error_file), 2);
});

test(
  'RUNNING → CANCELLATION_REQUESTED → CANCELLED keeps what was done, and nothing of the rest',
  TIMEOUT,
  async () => {
    await using scene = await startScene();
    const { bora } = scene;
    const created = await create(bora, ['one', 'bad', 'two', 'slow', 'slow too']);
    const before = fresh(created, 5);
    await bora.until(created.id, (job) => job.completed_requests === 3);

    const asked = await bora.client.jobs.cancel(created.id);
    const counted = { ...COUNTS, bora: { ...TWO_GOOD, state: 'cancelling' } };
    assertIs(asked, before, { status: 'CANCELLATION_REQUESTED', ...counted });
    assertTimes(asked, ['started', 'cancelling']);
    await assertSeenByOpenAi(bora.url, asked);
    assertIs(await bora.client.jobs.cancel(created.id), asked, {});

    const ended = await bora.ended(created.id);
    assertIs(ended, before, {
      status: 'CANCELLED',
      ...COUNTS,
      errors: ERRORS,
      output_file: ended.output_file,
      error_file: ended.error_file,
      bora: { state: 'cancelled', ...TWO_GOOD },
    });
    assertTimes(ended, ['started', 'cancelling', 'finalizing', 'completed']);
    await assertSeenByOpenAi(bora.url, ended);
    assert.deepEqual([await linesOf(bora, ended.output_file), await linesOf(bora, ended.error_file)], [2, 1]);
    assert.deepEqual(await bora.client.jobs.cancel(created.id), ended);
  },
);

test('QUEUED → CANCELLED is done at once and leaves no files', TIMEOUT, async () => {
  await using scene = await startScene();
  const { upstream, bora } = scene;
  await upstream.close();
  await bora.until(await bora.ask(['notices']), (job) => waitingOf(job) !== '');
  const created = await create(bora, ['one']);
  const cancelled = await bora.client.jobs.cancel(created.id);
  assertIs(cancelled, fresh(created, 1), { status: 'CANCELLED', bora: { state: 'cancelled' } });
  assertTimes(cancelled, ['cancelling', 'completed']);
  await assertSeenByOpenAi(bora.url, cancelled);
});

test('RUNNING → TIMEOUT_EXCEEDED keeps what was done, and nothing of the rest', TIMEOUT, async () => {
  await using scene = await startScene();
  const { bora } = scene;
  const created = await create(bora, ['one', 'bad', 'two', 'slow']);
  await bora.until(created.id, (job) => job.completed_requests === 3);
  await bora.pass((created.bora!.deadline_at! - 2) * 1_000 - bora.clock.now());
  assert.equal((await bora.client.jobs.get(created.id)).status, 'RUNNING');

  const ended = await bora.ended(created.id);
  assertIs(ended, fresh(created, 4), {
    status: 'TIMEOUT_EXCEEDED',
    ...COUNTS,
    errors: ERRORS,
    output_file: ended.output_file,
    error_file: ended.error_file,
    bora: { state: 'expired', ...TWO_GOOD },
  });
  assertTimes(ended, ['started', 'finalizing', 'completed']);
  await assertSeenByOpenAi(bora.url, ended);
  assert.ok(ended.completed_at! >= ended.bora!.deadline_at!);
  assert.deepEqual([await linesOf(bora, ended.output_file), await linesOf(bora, ended.error_file)], [2, 1]);
});

test('QUEUED → FAILED says why: the bytes of an input are gone before it was read', TIMEOUT, async () => {
  await using scene = await startScene((database) => ({
    ...database,
    createFile: (file, session) =>
      database.createFile({ ...file, lineIndex: null, cuts: null, numLines: null }, session),
  }));
  const { bora } = scene;
  const large = `one ${'x'.repeat(100_000)}`;
  const input = await bora.uploadQuestions([large]);
  await rm(join(bora.dataFolder, 'blobs'), { recursive: true });
  const created = await bora.client.jobs.create({
    endpoint: CHAT,
    model: 'm',
    input_files: [input],
    metadata: { suite: 'states' },
    timeout_hours: 1,
  });
  const ended = await bora.ended(created.id);
  assertIs(ended, fresh(created, 0), {
    status: 'FAILED',
    bora: { state: 'failed', failure: ended.bora!.failure },
  });
  assert.match(ended.bora!.failure!, /^An input file cannot be read any more\. /);
  assertTimes(ended, ['completed']);
  await assertSeenByOpenAi(bora.url, ended);
});

for (const [policy, hours] of [
  ['at-least 48h', 48],
  ['none', null],
] as const) {
  test(`under the deadline policy ${policy} a job gets the time it needs`, TIMEOUT, async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = hold;
    await using bora = await startPacedBora({
      upstreams: [{ name: 'u', url: upstream.url, timeout_seconds: 1_000_000 }],
      env: { BORA_DEADLINE_POLICY: policy },
    });
    const input = await bora.uploadQuestions(['one']);
    const job = await bora.client.jobs.create({
      endpoint: CHAT,
      model: 'm',
      input_files: [input],
      timeout_hours: 1,
    });
    const wanted = hours === null ? null : job.created_at + hours * 3_600;
    assert.equal(job.bora?.deadline_at, wanted);
    await bora.received(upstream, 1);
    await bora.pass(2 * 3_600_000);
    assert.equal((await bora.client.jobs.get(job.id)).status, 'RUNNING');
  });
}
