import assert from 'node:assert/strict';
import { test } from 'node:test';
import { webhookEvent } from '@bora/protocol/openai-webhooks';
import { systemClock } from '@bora/server/observe/clock';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { chatLine, ended, openAiClient, uploadLines } from './openai-client.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';
import type { Delivery } from './webhook-receiver.ts';

const ENDPOINT = '/v1/chat/completions';
/** By the path of the receiver. */
const SECRETS: Readonly<Record<string, string>> = {
  '/encoded': `whsec_${Buffer.from('a key of some bytes').toString('base64')}`,
  '/raw?of=text': 'just some words',
};

test('receivers verify with the official SDK what they are told of each end, for both dialects', async () => {
  await using receiver = await startWebhookReceiver();
  const released = Promise.withResolvers<void>();
  await using upstream = await startScriptedUpstream(['small'], async () => {
    await released.promise;
    return { body: {} };
  });
  // Behind by less than what receivers tolerate, so that it can jump over a deadline.
  let behindMs = 120_000;
  const [encoded = '', raw = ''] = Object.keys(SECRETS);
  await using whole = await startWholeBora({
    upstreams: [upstream.url],
    webhooks: [
      { name: 'encoded', url: `${receiver.url}${encoded}`, secret_env: 'RECEIVER_SECRET' },
      { name: 'raw', url: `${receiver.url}${raw}`, secret: SECRETS[raw], workspace: 'default' },
      { name: 'nobody', url: `${receiver.url}/nobody`, secret: 'x', workspace: 'nobody' },
    ],
    env: { RECEIVER_SECRET: SECRETS[encoded] ?? '' },
    overrides: {
      clock: { ...systemClock, now: () => systemClock.now() - behindMs },
      dispatch: { stopGraceMs: 20 },
    },
  });
  const client = openAiClient(whole);
  const create = async (lines: readonly (object | string)[], window = '24h'): Promise<string> => {
    const { id } = await uploadLines(client, lines);
    const asked = { input_file_id: id, endpoint: ENDPOINT, completion_window: window as '24h' } as const;
    return (await client.batches.create(asked)).id;
  };

  const failed = await create(['no JSON']);
  const expired = await create([chatLine('a', 'hello')], '1m');
  const job = await whole.client.jobs.create({
    endpoint: ENDPOINT,
    model: 'small',
    requests: [{ custom_id: 'a', body: { messages: [] } }],
  });
  await upstream.received(2);
  await whole.client.jobs.cancel(job.id);
  const cancelled = `batch_${job.id.replaceAll('-', '')}`;
  await ended(client, cancelled);
  behindMs = 0;
  await ended(client, expired);
  released.resolve();
  const completed = await create([chatLine('a', 'hello')]);

  await receiver.received(8);
  for (const [path, secret] of Object.entries(SECRETS)) {
    const told = new Map<string, string>();
    for (const delivery of receiver.deliveries.filter((each) => each.path === path)) {
      const { type, id } = await unwrapped(delivery, secret);
      told.set(id, type);
      assert.equal((await client.batches.retrieve(id)).status, type.replace('batch.', ''));
      await assert.rejects(unwrapped(delivery, `x${secret}`), /signature/);
    }
    assert.deepEqual(
      told,
      new Map([
        [failed, 'batch.failed'],
        [cancelled, 'batch.cancelled'],
        [expired, 'batch.expired'],
        [completed, 'batch.completed'],
      ]),
    );
  }
  assert.equal(receiver.deliveries.length, 8);
  const metrics = await (await fetch(`${whole.url}/metrics`)).text();
  assert.match(metrics, /bora_webhook_events_total\{webhook="encoded",outcome="delivered"\} 4/);
});

/** By both SDKs, which must agree. */
async function unwrapped({ body, headers }: Delivery, secret: string): Promise<{ type: string; id: string }> {
  const options = { apiKey: 'unused', webhookSecret: secret };
  const event = await new OpenAI(options).webhooks.unwrap(body, headers);
  assert.deepEqual(await new OpenAI6(options).webhooks.unwrap(body, headers), event);
  const { type, data } = webhookEvent.parse(event);
  const { id } = data;
  assert.equal(event.id, id.replace('batch_', 'evt_'));
  assert.equal(headers['webhook-id'], event.id);
  return { type, id };
}
