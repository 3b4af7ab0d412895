import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import OpenAI, { AzureOpenAI } from 'openai';
import OpenAI6 from 'openai-6';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { chatLine, ended, openAiClient, uploadLines } from './openai-client.ts';

const MESSAGES = [{ role: 'user' as const, content: 'hello' }];

for (const [version, Client] of [
  ['7.55', OpenAI],
  ['6.49', OpenAI6 as unknown as typeof OpenAI],
] as const) {
  test(`OpenAI's SDK ${version} makes single calls, and lists models, under the same address`, async () => {
    await using whole = await startWholeBora({ simulator: { models: ['small'] } });
    const client = openAiClient(whole, Client);
    const answer = await client.chat.completions.create({ model: 'small', messages: MESSAGES });
    assert.equal(answer.choices[0].message.role, 'assistant');
    assert.ok(
      (await client.embeddings.create({ model: 'small', input: 'a text' })).data[0].embedding.length > 0,
    );
    const models: string[] = [];
    for await (const { id } of client.models.list()) models.push(id);
    assert.deepEqual(models, ['small']);
    assert.equal((await client.models.retrieve('small')).id, 'small');

    const unknown = client.chat.completions.create({ model: 'nobody', messages: MESSAGES });
    await assert.rejects(unknown, (error: InstanceType<typeof OpenAI.NotFoundError>) => {
      assert.ok(error instanceof Client.NotFoundError);
      assert.deepEqual([error.status, error.code], [404, 'model_not_found']);
      assert.equal(error.headers?.get('x-should-retry'), 'false');
      return true;
    });
  });
}

test("OpenAI's SDK reads a stream as the upstream sends it", async () => {
  const events = ['one', 'two'].map((content) => ({
    id: 'x',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
  }));
  const server = createServer((request, response) => {
    if (request.url === '/v1/models') return response.end('{"object":"list","data":[{"id":"small"}]}');
    response.setHeader('content-type', 'text/event-stream');
    return response.end(
      `${events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')}data: [DONE]\n\n`,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const upstream = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await using whole = await startWholeBora({ upstreams: [upstream] });
    const stream = await openAiClient(whole).chat.completions.create({
      model: 'small',
      messages: MESSAGES,
      stream: true,
    });
    const read: unknown[] = [];
    for await (const { choices } of stream) read.push(choices[0].delta.content);
    assert.deepEqual(read, ['one', 'two']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("Azure's client finds files, batches and calls, with its key and its paths", async () => {
  await using whole = await startWholeBora({ simulator: { models: ['small'] } });
  const made = await fetch(`${whole.url}/bora/v1/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'azure', scope: 'admin' }),
  });
  const { key } = (await made.json()) as { key: string };
  const azure = new AzureOpenAI({
    endpoint: whole.url,
    apiKey: key,
    apiVersion: '2024-10-21',
    maxRetries: 0,
  });
  const file = await uploadLines(azure, [chatLine('a', 'hello')]);
  const batch = await azure.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  assert.equal((await ended(azure, batch.id)).request_counts?.completed, 1);
  assert.equal((await azure.files.list()).data.length, 2);
  const answer = await azure.chat.completions.create({ model: 'small', messages: MESSAGES });
  assert.equal(answer.choices.length, 1);
});

test('an address without /v1 is told what it lacks', async () => {
  await using whole = await startWholeBora();
  const client = new OpenAI({ baseURL: whole.url, apiKey: 'unused', maxRetries: 0 });
  for (const calling of [
    () => client.batches.list(),
    () => client.files.list(),
    () => client.models.list(),
    () => client.chat.completions.create({ model: 'm', messages: MESSAGES }),
  ])
    await assert.rejects(Promise.resolve(calling()), /The path lacks \/v1/);
});
