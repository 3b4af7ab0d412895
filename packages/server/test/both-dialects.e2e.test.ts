import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora, type WholeBora } from '@bora/testkit/whole-bora';
import type OpenAI from 'openai';
import { chatLine, ended, openAiClient, uploadLines } from './openai-client.ts';

const CHAT = '/v1/chat/completions';
const opened = new AsyncDisposableStack();

let whole: WholeBora;
let openAi: OpenAI;
/** Ids of OpenAI's batches by what became of them. */
const batches: Record<string, string> = {};
let mistralJob: string;

before(async () => {
  const upstream = opened.use(
    await startScriptedUpstream(['small', 'other'], ({ body }) => {
      const question = (body['messages'] as { content: string }[])[0].content;
      return question === 'bad' ? { status: 400, body: { error: 'no' } } : chatAnswer('small', 'yes');
    }),
  );
  whole = opened.use(await startWholeBora({ upstreams: [upstream.url] }));
  openAi = openAiClient(whole);
  const inputs = {
    completed: [chatLine('a', 'good'), chatLine('b', 'bad'), chatLine('c', 'good', 'other')],
    failed: ['no JSON'],
  };
  for (const [name, lines] of Object.entries(inputs)) {
    const file = await uploadLines(openAi, lines);
    const asked = { input_file_id: file.id, endpoint: CHAT, completion_window: '24h' } as const;
    const { id } = await openAi.batches.create({ ...asked, metadata: { of: name } });
    assert.equal((await ended(openAi, id)).status, name);
    batches[name] = id;
  }
  const body = { messages: [{ role: 'user', content: 'good' }] };
  const requests = [{ custom_id: 'a', body }];
  const job = await whole.client.jobs.create({ endpoint: CHAT, model: 'small', requests });
  mistralJob = (await whole.client.jobs.waitUntilComplete(job.id, { intervalMs: 20 })).id;
});
after(() => opened[Symbol.asyncDispose]());

describe("batches and files of OpenAI's dialect are taken by Mistral's SDK", () => {
  const sdks = {
    '2.7.0': Mistral,
    '1.15.1': Mistral115 as unknown as typeof Mistral,
    '1.3.6': Mistral13 as unknown as typeof Mistral,
  };
  for (const [version, Sdk] of Object.entries(sdks)) {
    test(version, async () => {
      const mistral = new Sdk({ serverURL: whole.url, apiKey: 'none' });
      const { data = [], total } = await mistral.batch.jobs.list();
      assert.equal(total, 3);
      assert.deepEqual(
        data.map(({ status, model }) => [status, model]),
        [
          ['SUCCESS', 'small'],
          ['FAILED', 'mixed'],
          ['SUCCESS', 'mixed'],
        ],
      );
      const job = await mistral.batch.jobs.get({ jobId: batches['completed'] });
      assert.deepEqual(
        [job.totalRequests, job.succeededRequests, job.failedRequests, job.metadata],
        [3, 2, 1, { of: 'completed' }],
      );
      const file = await mistral.files.retrieve({ fileId: job.errorFile! });
      assert.equal(file.sampleType, 'batch_error');
      assert.equal((await mistral.files.list()).data.length, 6);
    });
  }
});

test("a job of Mistral's is taken by OpenAI's SDK, among its own", async () => {
  const seen: OpenAI.Batch[] = [];
  for await (const batch of openAi.batches.list({ limit: 1 })) seen.push(batch);
  assert.deepEqual(
    seen.map(({ status }) => status),
    ['completed', 'failed', 'completed'],
  );
  const job = await openAi.batches.retrieve(mistralJob);
  assert.equal(job.id, seen[0].id);
  assert.deepEqual(
    [job.request_counts, job.completion_window, job.error_file_id],
    [{ total: 1, completed: 1, failed: 0 }, '24h', null],
  );
  assert.ok(job.in_progress_at! <= job.completed_at!);
  const text = await (await openAi.files.content(job.output_file_id!)).text();
  assert.match(
    text,
    /^\{"id":"batch-[0-9a-f]{8}-[0-9a-f]{8}-0","custom_id":"a"/,
    'in the format of its own dialect',
  );
});
