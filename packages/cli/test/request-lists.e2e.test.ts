import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import { textOf } from '@bora/client/answers';
import type { AnswerOf } from '@bora/client/answers';
import * as builders from '@bora/client/request-builders';
import type { BatchRequest } from '@bora/client/request-builders';
import { SubmittedInPart } from '@bora/client/requests';
import type { ListProgress } from '@bora/client/requests';
import { UsageTotal } from '@bora/client/usage-total';
import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

const CHAT = { endpoint: '/v1/chat/completions', model: 'simulated-chat' } as const;
const SOON = { intervalMs: 20 };

let whole: WholeBora;
let bora: BoraClient;
before(async () => {
  // So that the link of a recording is not fetched.
  whole = await startWholeBora({ upstream: { transcriptions: 'json' } });
  bora = whole.client;
});
after(() => whole[Symbol.asyncDispose]());

function* prompts(count: number): Generator<BatchRequest> {
  for (let place = 0; place < count; place += 1) yield builders.forChat(`prompt ${place}`, { max_tokens: 4 });
}

async function fileCount(): Promise<number> {
  return (await bora.files.list()).total!;
}

test('a list goes out as several jobs and comes back as one, in its order, and its files are deleted', async () => {
  const filesBefore = await fileCount();
  const progress: ListProgress[] = [];
  let jobs: readonly BatchJob[] = [];
  const usage = new UsageTotal();
  const ids: [number | null, string | null][] = [];
  const outcomes = bora.requests.run(prompts(25), CHAT, {
    ...SOON,
    maxRequests: 10,
    deleteFiles: true,
    onSubmitted: (created) => (jobs = created),
    onProgress: (seen) => progress.push(seen),
  });
  for await (const outcome of outcomes) {
    ids.push([outcome.ordinal, outcome.customId]);
    usage.add(outcome);
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 25 }, (_, place) => [place, `request-${place}`]),
  );
  assert.equal(jobs.length, 3);
  assert.ok(progress.every((seen) => seen.jobs.length > 0 && seen.completed <= seen.total));
  const { total, completed, succeeded, failed } = progress.at(-1)!;
  assert.deepEqual([total, completed, succeeded, failed], [25, 25, 25, 0]);
  assert.ok(usage.requests === 25 && usage.totalTokens > 25);
  assert.equal(await fileCount(), filesBefore);
});

test('what each builder makes is answered on its endpoint, in the shape that its type says', async () => {
  const answers: unknown[] = [];
  const ask = async <Endpoint extends BatchEndpoint>(
    endpoint: Endpoint,
    request: BatchRequest,
    look: (answer: AnswerOf[Endpoint]) => unknown,
  ): Promise<void> => {
    for await (const outcome of bora.requests.run([request], { ...CHAT, endpoint }, SOON)) {
      assert.equal(outcome.kind, 'succeeded', `${endpoint}: ${JSON.stringify(outcome)}`);
      answers.push(look(outcome.body));
    }
  };
  const isScores = (scores: Readonly<Record<string, number>>): boolean =>
    Object.values(scores).every((score) => score >= 0 && score <= 1);
  await ask('/v1/chat/completions', builders.forChat('hello'), (answer) => textOf(answer) !== '');
  await ask('/v1/fim/completions', builders.forFim('def f('), (answer) => textOf(answer) !== '');
  await ask('/v1/conversations', builders.forConversation('hello'), (answer) => textOf(answer) !== '');
  await ask('/v1/ocr', builders.forOcr({ document_url: 'https://example.org/a.pdf' }), (answer) =>
    textOf(answer).startsWith('# Page 1'),
  );
  await ask(
    '/v1/audio/transcriptions',
    builders.forTranscription({ file_url: 'https://example.org/a.mp3' }),
    (answer) => textOf(answer) !== '',
  );
  await ask('/v1/embeddings', builders.forEmbeddings(['one', 'two']), ({ data }) =>
    data.every(({ index, embedding }, at) => index === at && typeof embedding[0] === 'number'),
  );
  await ask('/v1/moderations', builders.forModeration('text'), ({ results }) =>
    isScores(results[0].category_scores),
  );
  await ask('/v1/chat/moderations', builders.forChatModeration('text'), ({ results }) =>
    isScores(results[0].category_scores),
  );
  await ask('/v1/classifications', builders.forClassification('text'), ({ results }) =>
    Object.values(results[0]).every(({ scores }) => isScores(scores)),
  );
  await ask('/v1/chat/classifications', builders.forChatClassification('text'), ({ results }) =>
    Object.values(results[0]).every(({ scores }) => isScores(scores)),
  );
  assert.deepEqual(answers, Array<boolean>(BATCH_ENDPOINTS.length).fill(true));
});

test('by the ids of its jobs a list is waited for and read where another program left it', async () => {
  const submitted = await bora.requests.submit(prompts(4), CHAT, { maxRequests: 2 });
  const ended = await bora.requests.wait(
    submitted.map(({ id }) => id),
    SOON,
  );
  const read: unknown[] = [];
  for await (const { customId } of bora.requests.results(ended)) read.push(customId);
  assert.deepEqual(read, ['request-0', 'request-1', 'request-2', 'request-3']);
});

test('a list is uploaded alone, for a job over all of its files', async () => {
  const files = await bora.requests.upload(prompts(5), CHAT, {
    maxRequests: 2,
    filename: 'p.jsonl',
    expiry: 2,
  });
  assert.deepEqual(
    files.map(({ filename, purpose, num_lines: lines, expires_at: end }) => [
      filename,
      purpose,
      lines,
      end !== null,
    ]),
    [2, 2, 1].map((lines) => ['p.jsonl', 'batch', lines, true]),
  );
  const { id } = await bora.jobs.create({ ...CHAT, input_files: files.map((file) => file.id) });
  const ended = await bora.jobs.waitUntilComplete(id, SOON);
  const read: (number | null)[] = [];
  for await (const { ordinal } of bora.requests.results([ended])) read.push(ordinal);
  assert.deepEqual(read, [0, 1, 2, 3, 4]);
});

test('a list that ends in an error leaves neither jobs nor files, and its error is the one thrown', async () => {
  const filesBefore = await fileCount();
  async function* broken(): AsyncGenerator<BatchRequest> {
    yield* prompts(15);
    throw new RangeError('row 16 cannot be read');
  }
  await assert.rejects(bora.requests.submit(broken(), CHAT, { maxRequests: 10 }), RangeError);
  await assert.rejects(bora.requests.submit([...prompts(12), { body: {} }], CHAT, { maxRequests: 10 }), {
    name: 'InvalidRequest',
    message: 'Request 12: Its body lacks "messages", which /v1/chat/completions needs.',
  });
  await assert.rejects(bora.requests.submit([], CHAT), { code: 'empty_list' });
  await assert.rejects(bora.requests.submit(prompts(3), { ...CHAT, model: 'nobody' }), {
    code: 'unknown_model',
  });
  assert.equal(await fileCount(), filesBefore);
});

test('where some jobs could be created and others not, the error holds both', async () => {
  const limited = await startWholeBora({
    env: { BORA_MAX_ACTIVE_JOBS: '1' },
    simulator: { latencyMs: { p50: 60_000, p99: 60_000 } },
  });
  try {
    const client = new BoraClient({ baseUrl: limited.url, maxRetries: 0 });
    const submitting = client.requests.submit(prompts(6), CHAT, { maxRequests: 2 });
    await assert.rejects(submitting, (error: SubmittedInPart) => {
      assert.ok(error instanceof SubmittedInPart && error.cause instanceof BoraError);
      assert.deepEqual([error.code, error.jobs.length, error.fileIds.length], ['submitted_in_part', 1, 2]);
      assert.match(error.message, /^1 of 3 jobs were created: .*Create the others over fileIds/);
      return true;
    });
    assert.equal((await client.files.list()).total, 3);
  } finally {
    await limited[Symbol.asyncDispose]();
  }
});

test('a wait that is given up leaves nothing behind', async () => {
  const stop = new AbortController();
  const jobs = await bora.requests.submit(prompts(2), CHAT, { maxRequests: 1 });
  const waiting = bora.requests.wait(jobs, {
    intervalMs: 60_000,
    signal: stop.signal,
    onProgress: () => stop.abort(new Error('enough')),
  });
  await assert.rejects(waiting, /enough/);
});
