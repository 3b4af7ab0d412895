import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BreakableUpstream, json } from './breakable-upstream.ts';
import type { ReceivedRequest } from './breakable-upstream.ts';
import { answerWell, startPacedBora } from './paced-bora.ts';

const TIMEOUT = { timeout: 20_000 };
const CHAT = '/v1/chat/completions';
const MESSAGES = '[ {"role":"user", "content":"caf\\u00e9 1.0e5"} ]';

function textOf({ body }: ReceivedRequest): string {
  return body.toString();
}

test(
  'a job asks for its model under the name of the upstream; nothing else of a body changes',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = answerWell;
    upstream.listing = json(200, { object: 'list', data: [{ id: 'qwen3-8b' }] });
    await using bora = await startPacedBora({
      upstreams: [{ name: 'u', url: upstream.url, models: { 'mistral-small-latest': 'qwen3-8b' } }],
    });
    const { client } = bora;
    const lines = [
      `{"custom_id":"1","body":{ "messages" : ${MESSAGES}, "seed":12345678901234567890 }}\n`,
      `{"custom_id":"2","body":{"model":"mistral-small-latest","messages":${MESSAGES}}}\n`,
    ];
    const input = await client.files.upload(new Blob(lines));
    const job = await client.jobs.create({
      endpoint: CHAT,
      model: 'mistral-small-latest',
      input_files: [input.id],
    });
    const ended = await bora.ended(job.id);
    assert.equal(ended.succeeded_requests, 2);
    assert.equal(ended.model, 'mistral-small-latest');
    assert.deepEqual(upstream.requests.map(textOf).toSorted(), [
      `{ "model":"qwen3-8b","messages" : ${MESSAGES}, "seed":12345678901234567890 }`,
      `{"model":"qwen3-8b","messages":${MESSAGES}}`,
    ]);
  },
);

test(
  'lines that bring their models are renamed where the upstream says so, and else sent as they came',
  TIMEOUT,
  async () => {
    await using upstream = await BreakableUpstream.open();
    upstream.reply = answerWell;
    await using bora = await startPacedBora({
      upstreams: [{ name: 'u', url: upstream.url, models: { small: 'qwen3-8b', '*': '*' } }],
    });
    const { client } = bora;
    const bodies = [
      `{"model":"small","messages":${MESSAGES}}`,
      `{"messages":${MESSAGES},"model":"\\u006darge" }`,
    ];
    const input = await client.files.upload(
      new Blob(bodies.map((body, at) => `{"custom_id":"${at}","body":${body}}\n`)),
    );
    const job = await client.jobs.create({ endpoint: CHAT, input_files: [input.id] });
    assert.equal((await bora.ended(job.id)).succeeded_requests, 2);
    assert.deepEqual(upstream.requests.map(textOf).toSorted(), [
      `{"messages":${MESSAGES},"model":"\\u006darge" }`,
      `{"model":"qwen3-8b","messages":${MESSAGES}}`,
    ]);
  },
);

test('what no upstream is called is refused with the names that jobs may ask for', TIMEOUT, async () => {
  await using upstream = await BreakableUpstream.open();
  await using bora = await startPacedBora({
    upstreams: [{ name: 'u', url: upstream.url, models: { small: 'qwen3-8b' } }],
  });
  await assert.rejects(
    bora.client.jobs.create({ endpoint: CHAT, model: 'qwen3-8b', requests: [{ body: { messages: [] } }] }),
    /no upstream serves it on \/v1\/chat\/completions\. Served are: small\./,
  );
});
