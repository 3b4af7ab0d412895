import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { OPENAI_REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import { systemClock } from '@bora/server/observe/clock';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type OpenAI from 'openai';
import { chatLine, ended, linesOf, openAiClient, uploadLines } from './openai-client.ts';

type Endpoint = OpenAI.BatchCreateParams['endpoint'];

const opened = new AsyncDisposableStack();

let upstream: ScriptedUpstream;
before(async () => {
  upstream = opened.use(
    await startScriptedUpstream(['small', 'other'], ({ endpoint, body }) => ({
      body: { endpoint, model: body['model'] },
    })),
  );
});

after(() => opened[Symbol.asyncDispose]());

function createBatch(client: OpenAI, input_file_id: string, endpoint: string): Promise<OpenAI.Batch> {
  return client.batches.create({ input_file_id, endpoint: endpoint as Endpoint, completion_window: '24h' });
}

describe('a batch', () => {
  for (const [endpoint, [member]] of Object.entries(OPENAI_REQUIRED_MEMBERS)) {
    test(`to ${endpoint} is answered by it`, async () => {
      await using whole = await startWholeBora({ upstreams: [upstream.url] });
      const client = openAiClient(whole);
      const body = { model: 'small', [member]: 'x' };
      const file = await uploadLines(client, [{ custom_id: 'a', method: 'POST', url: endpoint, body }]);
      const batch = await ended(client, (await createBatch(client, file.id, endpoint)).id);
      assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
      const [line] = await linesOf(client, batch.output_file_id!);
      assert.deepEqual(line.response?.body, { endpoint, model: 'small' });
    });
  }

  test('may have an endpoint that the operator names, and no other', async () => {
    const env = { BORA_BATCH_ENDPOINTS: '/v1/rerank' };
    await using whole = await startWholeBora({ upstreams: [upstream.url], env });
    const client = openAiClient(whole);
    const file = await uploadLines(client, [
      { custom_id: 'a', method: 'POST', url: '/v1/rerank', body: { model: 'small' } },
    ]);
    const batch = await ended(client, (await createBatch(client, file.id, '/v1/rerank')).id);
    assert.equal(batch.status, 'completed', JSON.stringify(batch.errors));
    await assert.rejects(createBatch(client, file.id, '/v1/videos'), /Invalid value: '\/v1\/videos'/);
  });
});

describe('a batch of several models', () => {
  const lines = [chatLine('a', 'x', 'small'), chatLine('b', 'x', 'other'), chatLine('c', 'x', 'small')];

  test('is answered by each of them, and names none', async () => {
    await using whole = await startWholeBora({ upstreams: [upstream.url] });
    const client = openAiClient(whole);
    const file = await uploadLines(client, lines);
    const batch = await ended(client, (await createBatch(client, file.id, '/v1/chat/completions')).id);
    assert.deepEqual([batch.status, batch.model], ['completed', null]);
    const answers = await linesOf(client, batch.output_file_id!);
    assert.deepEqual(
      answers.map(({ response }) => response?.body['model']),
      ['small', 'other', 'small'],
    );
    const job = await whole.client.jobs.get(batch.id);
    assert.deepEqual([job.status, job.model, job.succeeded_requests], ['SUCCESS', 'mixed', 3]);
    const { outputs } = await whole.client.jobs.get(batch.id, { inline: true });
    assert.deepEqual(
      outputs?.map(({ custom_id: id }) => id),
      ['a', 'b', 'c'],
      "Mistral's view merges its lines as well",
    );
  });

  test('is refused where the operator says so', async () => {
    const env = { BORA_MIXED_MODELS: 'refuse' };
    await using whole = await startWholeBora({ upstreams: [upstream.url], env });
    const client = openAiClient(whole);
    const file = await uploadLines(client, lines);
    const batch = await ended(client, (await createBatch(client, file.id, '/v1/chat/completions')).id);
    assert.deepEqual(
      batch.errors?.data.map(({ code, line }) => [code, line]),
      [['mismatched_model', 2]],
    );
  });

  test('goes on with the others while one is down', async () => {
    await using dead = await startScriptedUpstream(['dead'], () => ({ status: 503, body: {} }));
    await using whole = await startWholeBora({ upstreams: [upstream.url, dead.url] });
    const client = openAiClient(whole);
    const questions = Array.from({ length: 60 }, (_, at) =>
      chatLine(`${at}`, 'x', at % 2 === 0 ? 'small' : 'dead'),
    );
    const file = await uploadLines(client, questions);
    const { id } = await createBatch(client, file.id, '/v1/chat/completions');
    while ((await client.batches.retrieve(id)).request_counts?.completed !== 30) await systemClock.sleep(10);
    await client.batches.cancel(id);
    const batch = await ended(client, id);
    assert.deepEqual(batch.request_counts, { total: 60, completed: 30, failed: 0 });
    assert.equal((await linesOf(client, batch.error_file_id!)).length, 30);
  });
});
