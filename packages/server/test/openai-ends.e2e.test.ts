import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import { openAiResultLine } from '@bora/protocol/openai-lines';
import { systemClock } from '@bora/server/observe/clock';
import { quickened } from '@bora/testkit/quickened-clock';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBoraOptions } from '@bora/testkit/whole-bora';
import type OpenAI from 'openai';
import { chatLine, ended, linesOf, openAiClient, uploadLines } from './openai-client.ts';

const CHAT = '/v1/chat/completions';

interface World extends AsyncDisposable {
  readonly client: OpenAI;
  /** Resolves once that many requests came. */
  received(requests: number): Promise<void>;
}

/** A Bora whose upstream answers all requests but those that say `hold`; `bad` ones it refuses. */
async function openWorld(options: WholeBoraOptions = {}): Promise<World> {
  const released = Promise.withResolvers<void>();
  const upstream = await startScriptedUpstream(['small'], async ({ body }) => {
    const question = (body['messages'] as { content: string }[])[0].content;
    if (question === 'bad') return { status: 400, body: { error: { message: 'no' } } };
    if (question === 'hold') await released.promise;
    if (question === 'large') return { body: { text: 'x'.repeat(400_000) } };
    return chatAnswer('small', 'yes');
  });
  const whole = await startWholeBora({
    upstreams: [upstream.url],
    ...options,
    overrides: { dispatch: { stopGraceMs: 20 }, ...options.overrides },
  });
  return {
    client: openAiClient(whole),
    received: (requests) => upstream.received(requests),
    async [Symbol.asyncDispose]() {
      released.resolve();
      await whole[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

async function createBatch(
  client: OpenAI,
  questions: readonly string[],
  window = '24h',
): Promise<OpenAI.Batch> {
  const file = await uploadLines(
    client,
    questions.map((question, at) => chatLine(`${question}-${at}`, question)),
  );
  const asked = { input_file_id: file.id, endpoint: CHAT, completion_window: window as '24h' } as const;
  return client.batches.create(asked);
}

/** What each line says, by id: `answered`, `refused`, or the code of why there is no answer. Each id must have one line. */
async function outcomesOf(client: OpenAI, batch: OpenAiBatch): Promise<Record<string, string>> {
  const outcomes: Record<string, string> = {};
  for (const fileId of [batch.output_file_id, batch.error_file_id]) {
    if (fileId === null) continue;
    for (const line of await linesOf(client, fileId)) {
      const { custom_id: id, response, error } = openAiResultLine.parse(line);
      assert.ok(!(id in outcomes), `${id} has two lines`);
      if (error === null) outcomes[id] = response?.status_code === 200 ? 'answered' : 'refused';
      else outcomes[id] = error.code;
    }
  }
  assert.equal(Object.keys(outcomes).length, batch.request_counts.total);
  return outcomes;
}

/** Until the batch shows what is waited for. */
async function until(client: OpenAI, id: string, test_: (batch: OpenAI.Batch) => boolean): Promise<void> {
  while (!test_(await client.batches.retrieve(id))) await systemClock.sleep(10);
}

describe('a batch that is cancelled', () => {
  test('before anything is sent has a line for each request', async () => {
    await using world = await openWorld({ upstreams: ['http://127.0.0.1:9'] });
    const { client } = world;
    const questions = Array.from({ length: 100 }, () => 'good');
    const { id } = await createBatch(client, questions);
    await until(client, id, ({ status }) => status === 'in_progress');
    assert.ok(['cancelling', 'cancelled'].includes((await client.batches.cancel(id)).status));
    const batch = await ended(client, id);
    assert.equal(batch.status, 'cancelled');
    assert.deepEqual(batch.request_counts, { total: 100, completed: 0, failed: 0 });
    assert.equal(batch.output_file_id, null);
    const outcomes = Object.values(await outcomesOf(client, batch));
    assert.ok(outcomes.every((outcome) => outcome === 'batch_cancelled'));
    assert.deepEqual(await client.batches.cancel(id), batch);
  });

  test('while it runs keeps what was answered, and says of the rest that it was cancelled', async () => {
    await using world = await openWorld();
    const { client } = world;
    const { id } = await createBatch(client, ['good', 'hold', 'bad', 'hold', 'good']);
    await world.received(5);
    await until(client, id, ({ request_counts: counts }) => counts?.completed === 2 && counts.failed === 1);
    const first = await client.batches.cancel(id);
    assert.equal(first.status, 'cancelling');
    assert.ok(['cancelling', 'cancelled'].includes((await client.batches.cancel(id)).status));
    const batch = await ended(client, id);
    assert.equal(batch.status, 'cancelled');
    assert.deepEqual(batch.request_counts, { total: 5, completed: 2, failed: 1 });
    assert.deepEqual(await outcomesOf(client, batch), {
      'good-0': 'answered',
      'hold-1': 'batch_cancelled',
      'bad-2': 'refused',
      'hold-3': 'batch_cancelled',
      'good-4': 'answered',
    });
    const errors = await linesOf(client, batch.error_file_id!);
    assert.deepEqual(
      errors.map(({ custom_id: id_ }) => id_),
      ['hold-1', 'bad-2', 'hold-3'],
      'in input order',
    );
    assert.deepEqual(errors[0].error, {
      code: 'batch_cancelled',
      message: 'This request was not executed because the batch was cancelled.',
    });
  });
});

test('a large answer is written around as it arrives, in the format of the dialect', async () => {
  await using world = await openWorld();
  const { client } = world;
  const batch = await ended(client, (await createBatch(client, ['good', 'large', 'good'])).id);
  const lines = await linesOf(client, batch.output_file_id!);
  assert.deepEqual(
    lines.map((line) => openAiResultLine.parse(line).custom_id),
    ['good-0', 'large-1', 'good-2'],
  );
  assert.deepEqual(lines[1].response?.body, { text: 'x'.repeat(400_000) });
});

test('a batch whose window has passed keeps what was answered, and says of the rest that it expired', async () => {
  await using world = await openWorld({ overrides: { clock: quickened(systemClock, 60) } });
  const { client } = world;
  const { id } = await createBatch(client, ['good', 'hold', 'good'], '1m');
  const batch = await ended(client, id);
  assert.equal(batch.status, 'expired');
  assert.ok(batch.expired_at !== null && batch.completed_at === null);
  assert.deepEqual(batch.request_counts, { total: 3, completed: 2, failed: 0 });
  assert.deepEqual(await outcomesOf(client, batch), {
    'good-0': 'answered',
    'hold-1': 'batch_expired',
    'good-2': 'answered',
  });
  const [line] = await linesOf(client, batch.error_file_id!);
  assert.equal(
    line.error?.message,
    'This request could not be executed before the completion window expired.',
  );
});

test('a batch of which every request failed is completed, without an output file', async () => {
  await using world = await openWorld();
  const { client } = world;
  const { id } = await createBatch(client, ['bad', 'bad']);
  const batch = await ended(client, id);
  assert.equal(batch.status, 'completed');
  assert.equal(batch.output_file_id, null);
  assert.deepEqual(batch.request_counts, { total: 2, completed: 0, failed: 2 });
  assert.deepEqual(Object.values(await outcomesOf(client, batch)), ['refused', 'refused']);
  assert.equal(batch.usage.total_tokens, 0);
});

test('a batch with bad lines fails before anything is sent, and says which', async () => {
  await using world = await openWorld();
  const { client } = world;
  const file = await uploadLines(client, [
    chatLine('a', 'hold'),
    'no JSON',
    { ...chatLine('b', 'hold'), url: '/v1/embeddings' },
    chatLine('a', 'hold'),
  ]);
  const created = await client.batches.create({
    input_file_id: file.id,
    endpoint: CHAT,
    completion_window: '24h',
  });
  const batch = await ended(client, created.id);
  assert.equal(batch.status, 'failed');
  assert.ok(batch.failed_at !== null);
  assert.deepEqual(batch.request_counts, { total: 0, completed: 0, failed: 0 });
  assert.deepEqual([batch.output_file_id, batch.error_file_id], [null, null]);
  assert.deepEqual(
    batch.errors?.data.map(({ code, param, line }) => [line, code, param]),
    [
      [2, 'invalid_json_line', null],
      [3, 'invalid_url', 'url'],
      [4, 'duplicate_custom_id', 'custom_id'],
    ],
  );
  assert.match(batch.bora?.failure ?? '', /^3 lines are wrong, first line 2: This line is not parseable/);
});

test('a lenient batch runs its good lines, and says of the others what is wrong with them', async () => {
  await using world = await openWorld();
  const { client } = world;
  const file = await uploadLines(client, [
    chatLine('a', 'good'),
    'no JSON',
    { ...chatLine('b', 'good'), url: '/v1/embeddings' },
    { ...chatLine('c', 'good'), body: { model: 'other', messages: [] } },
    { ...chatLine('d', 'good'), body: { model: 7, messages: [] } },
  ]);
  const asked = {
    input_file_id: file.id,
    endpoint: CHAT,
    completion_window: '24h',
    bora: { lenient: true },
  } as const;
  const batch = await ended(client, (await client.batches.create(asked)).id);
  assert.equal(batch.status, 'completed');
  assert.deepEqual(batch.request_counts, { total: 5, completed: 1, failed: 4 });
  assert.deepEqual(await outcomesOf(client, batch), {
    a: 'answered',
    '': 'invalid_json_line',
    b: 'invalid_url',
    c: 'model_not_found',
    d: 'invalid_type',
  });
});
