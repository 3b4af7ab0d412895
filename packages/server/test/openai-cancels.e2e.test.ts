import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { BreakableUpstream, hold } from './breakable-upstream.ts';
import { Gates } from './gates.ts';
import { chatLine, openAiClient, uploadLines } from './openai-client.ts';
import { answerWell, questionOf, startPacedBora } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const opened = new AsyncDisposableStack();
const gates = new Gates();

let upstream: BreakableUpstream;
let bora: PacedBora;
/** Of both majors; the first makes the batches. */
let clients: readonly OpenAI[];
before(async () => {
  upstream = opened.use(await BreakableUpstream.open());
  upstream.reply = (request) => (questionOf(request) === 'slow' ? hold : answerWell)(request);
  bora = opened.use(
    await startPacedBora({
      upstreams: [{ name: 'gpu', url: upstream.url, timeout_seconds: 100_000 }],
      overrides: { reachStopPoint: gates.reachStopPoint },
    }),
  );
  clients = [openAiClient(bora), openAiClient(bora, OpenAI6 as unknown as typeof OpenAI)];
});
after(() => {
  gates.letAllGo();
  return opened.disposeAsync();
});

async function create(questions: readonly string[], window = '24h'): Promise<string> {
  const lines = questions.map((question, at) => chatLine(`${at}`, question, 'm'));
  const file = await uploadLines(clients[0], lines);
  const asked = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: window };
  return (await clients[0].batches.create(asked as OpenAI.BatchCreateParams)).id;
}

function look(id: string): Promise<OpenAiBatch> {
  return clients[0].batches.retrieve(id) as Promise<OpenAiBatch>;
}

/** Lets time pass until the batch has the status, and the state behind it. */
async function until(id: string, status: string, state = status): Promise<OpenAiBatch> {
  await bora.eventually(async () => {
    const batch = await look(id);
    return batch.status === status && batch.bora?.state === state;
  });
  return look(id);
}

/** Both SDKs cancel it, each of them twice: the first time it becomes `status`, and then nothing changes any more. */
async function isCancelled(id: string, status: OpenAiBatch['status']): Promise<void> {
  const first = await clients[0].batches.cancel(id);
  assert.equal(first.status, status);
  assert.notEqual(first.cancelling_at, null);
  assert.equal(first.cancelled_at !== null, status === 'cancelled');
  for (const client of [...clients, ...clients]) assert.deepEqual(await client.batches.cancel(id), first);
  assert.deepEqual(await look(id), first);
}

/** Both SDKs are refused, each of them twice, are told not to try again, and nothing changes. */
async function isRefused(id: string, status: OpenAiBatch['status']): Promise<void> {
  const before_ = await look(id);
  assert.deepEqual([before_.status, before_.cancelling_at], [status, null]);
  for (const client of [...clients, ...clients]) {
    const error = await client.batches.cancel(id).then(
      () => assert.fail('It was cancelled.'),
      (thrown: unknown) => thrown as InstanceType<typeof OpenAI.APIError>,
    );
    assert.equal(error.status, 409);
    assert.deepEqual(error.error, {
      message: `Cannot cancel a batch with status '${status}'.`,
      type: 'invalid_request_error',
      param: null,
      code: null,
    });
    assert.equal(error.headers?.get('x-should-retry'), 'false');
  }
  assert.deepEqual(await look(id), before_);
}

describe('cancelled twice by each SDK, a batch that is', () => {
  test('validating is cancelled at once', async () => {
    const planning = gates.hold('plan.claimed');
    const id = await create(['good']);
    await until(id, 'validating');
    await isCancelled(id, 'cancelled');
    planning.letGo();
    const { output_file_id: output, error_file_id: errors } = await look(id);
    assert.deepEqual([output, errors], [null, null]);
  });

  test('in_progress and was not sent is cancelling until each request has its line', async () => {
    await fetch(`${bora.url}/bora/v1/upstreams/gpu/pause`, { method: 'POST' });
    const draining = gates.hold('drain.claimed');
    const id = await create(['good', 'good']);
    await until(id, 'in_progress', 'queued');
    await isCancelled(id, 'cancelling');
    await fetch(`${bora.url}/bora/v1/upstreams/gpu/resume`, { method: 'POST' });
    draining.letGo();
    const batch = await until(id, 'cancelled');
    assert.deepEqual(batch.request_counts, { total: 2, completed: 0, failed: 0 });
    await isCancelled(id, 'cancelled');
  });

  test('in_progress, then cancelling, then about to get its files, is cancelled', async () => {
    const committing = gates.hold('commit.before-blobs');
    const finalising = gates.hold('finalise.claimed');
    const sent = upstream.requests.length;
    const id = await create(['good', 'slow']);
    await bora.received(upstream, sent + 2);
    await until(id, 'in_progress', 'running');
    await isCancelled(id, 'cancelling');
    committing.letGo();
    await until(id, 'cancelling', 'finalizing');
    await isCancelled(id, 'cancelling');
    finalising.letGo();
    await until(id, 'cancelled');
    await isCancelled(id, 'cancelled');
  });

  test('finalizing, for its time is up, expires all the same', async () => {
    const committing = gates.hold('commit.before-blobs');
    const finalising = gates.hold('finalise.claimed');
    const sent = upstream.requests.length;
    const id = await create(['good', 'slow'], '1m');
    await bora.received(upstream, sent + 2);
    await bora.pass(60_000);
    await until(id, 'finalizing', 'expiring');
    await isRefused(id, 'finalizing');
    committing.letGo();
    await until(id, 'finalizing', 'finalizing');
    await isRefused(id, 'finalizing');
    finalising.letGo();
    await until(id, 'expired');
    await isRefused(id, 'expired');
  });

  test('finalizing, for its requests are done, is completed all the same', async () => {
    const finalising = gates.hold('finalise.claimed');
    const id = await create(['good']);
    await until(id, 'finalizing');
    await isRefused(id, 'finalizing');
    finalising.letGo();
    await until(id, 'completed');
    await isRefused(id, 'completed');
  });

  test('failed stays so', async () => {
    const id = await create([]);
    await until(id, 'failed');
    await isRefused(id, 'failed');
  });
});
