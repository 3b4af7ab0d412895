import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSimulator } from '@bora/simulator/simulator';
import type { CrashPlan } from '@bora/testkit/crash/crash-plan';
import { CrashingBora } from '@bora/testkit/crash/crashing-bora';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import OpenAI from 'openai';
import { startWebhookReceiver } from './webhook-receiver.ts';

const MODEL = 'small';
/** An event that was in flight is due again after 30 s; receivers tolerate 300 s. */
const LATER_MS = 60_000;

test('killed before a job ends, and while its event is in flight: the event comes, and comes again', async () => {
  await using receiver = await startWebhookReceiver((response, call) => {
    if (call > 1) response.end();
  });
  await using folder = await makeTemporaryFolder();
  const simulator = await startSimulator({ models: [MODEL] });
  await using closing = new AsyncDisposableStack();
  closing.defer(() => simulator.close());
  const config = join(folder.path, 'bora.yaml');
  await writeFile(config, JSON.stringify({ webhooks: [{ url: receiver.url, secret: 'words' }] }));
  const lives: CrashPlan = {
    data: join(folder.path, 'data'),
    upstream: simulator.url,
    config,
    kill: null,
    defect: null,
    clockAheadMs: 0,
  };

  await using first = await CrashingBora.start({ ...lives, kill: { point: 'finalise.claimed', hit: 1 } });
  const created = first.client.jobs.create({
    endpoint: '/v1/chat/completions',
    model: MODEL,
    requests: [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'hello' }] } }],
  });
  // It may die before it answers.
  await Promise.allSettled([created, first.died()]);
  assert.equal(receiver.deliveries.length, 0, 'nobody is told of an end that never was');

  await using second = await CrashingBora.start(lives);
  await receiver.received(1);
  const { data: jobs } = await second.client.jobs.list();
  assert.deepEqual(
    jobs.map(({ status }) => status),
    ['SUCCESS'],
  );
  const [{ id }] = jobs;
  second.kill();
  await second.died();

  await using third = await CrashingBora.start({ ...lives, clockAheadMs: LATER_MS });
  await receiver.received(2);
  assert.equal((await third.client.jobs.get(id)).status, 'SUCCESS');
  const client = new OpenAI({ apiKey: 'unused', webhookSecret: 'words' });
  const events = await Promise.all(
    receiver.deliveries.map(({ body, headers }) => client.webhooks.unwrap(body, headers)),
  );
  assert.deepEqual(events[0], events[1], 'one event, twice');
  const data = { id: `batch_${id.replaceAll('-', '')}` };
  assert.deepEqual([events[0]?.type, events[0]?.data], ['batch.completed', data]);
});
