import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { chatLine, linesOf, openAiClient, uploadLines } from './openai-client.ts';
import { startPacedBora } from './paced-bora.ts';
import type { PacedBora } from './paced-bora.ts';

const CHAT = '/v1/chat/completions';
const OTHER_PURPOSES = ['user_data', 'assistants', 'vision', 'evals', 'fine-tune'] as const;
const opened = new AsyncDisposableStack();

let bora: PacedBora;
let openAi: OpenAI;
/** Ids of OpenAI's batches by what became of them. */
const batches: Record<string, string> = {};
let mistralJob: string;

/** What a batch is made of, and the time that it has. */
const INPUTS: Readonly<Record<string, readonly [lines: readonly (object | string)[], window: string]>> = {
  completed: [[chatLine('a', 'good'), chatLine('b', 'bad'), chatLine('c', 'good', 'other')], '24h'],
  'all failed': [[chatLine('a', 'bad'), chatLine('b', 'bad')], '24h'],
  failed: [['no JSON'], '24h'],
  cancelled: [[chatLine('a', 'good'), chatLine('b', 'hold')], '24h'],
  expired: [[chatLine('a', 'good'), chatLine('b', 'hold')], '1m'],
  running: [[chatLine('a', 'good'), chatLine('b', 'hold')], '24h'],
};

/** How Mistral's view shows them: the status, and the requests in total, succeeded and failed. */
const SHOWN: Readonly<Record<string, readonly [status: string, total: number, good: number, bad: number]>> = {
  completed: ['SUCCESS', 3, 2, 1],
  'all failed': ['SUCCESS', 2, 0, 2],
  failed: ['FAILED', 1, 0, 0],
  cancelled: ['CANCELLED', 2, 1, 0],
  expired: ['TIMEOUT_EXCEEDED', 2, 1, 0],
  running: ['RUNNING', 2, 1, 0],
};

before(async () => {
  const held = Promise.withResolvers<void>();
  opened.defer(() => held.resolve());
  const upstream = opened.use(
    await startScriptedUpstream(['small', 'other'], async ({ body }) => {
      const question = (body['messages'] as { content: string }[])[0].content;
      if (question === 'hold') await held.promise;
      return question === 'bad' ? { status: 400, body: { error: 'no' } } : chatAnswer('small', 'yes');
    }),
  );
  const described = { name: 'gpu', url: upstream.url, timeout_seconds: 100_000 };
  bora = opened.use(await startPacedBora({ upstreams: [described] }));
  openAi = openAiClient(bora);
  await makeFiles();
  for (const [name, [lines, window]] of Object.entries(INPUTS))
    batches[name] = await begin(name, lines, window);
  await bora.clock.advance(1);
  const requests = [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'good' }] } }];
  mistralJob = (await bora.client.jobs.create({ endpoint: CHAT, model: 'small', requests })).id;
  await bora.ended(mistralJob);
  for (const name of ['cancelled', 'expired', 'running']) {
    await bora.until(batches[name], ({ succeeded_requests: succeeded }) => succeeded === 1);
  }
  await openAi.batches.cancel(batches['cancelled']);
  await bora.pass(60_000);
  for (const name of Object.keys(INPUTS).slice(0, -1)) await bora.ended(batches[name]);
});
after(() => opened[Symbol.asyncDispose]());

/** Of each purpose, and uploads that are pending, cancelled and completed. */
async function makeFiles(): Promise<void> {
  for (const purpose of OTHER_PURPOSES) {
    const expires_after = { anchor: 'created_at', seconds: 3600 } as const;
    await openAi.files.create({
      file: await toFile(Buffer.from('anything'), 'a.txt'),
      purpose,
      expires_after,
    });
  }
  const begun = { filename: 'in.jsonl', purpose: 'batch', bytes: 3, mime_type: 'text/plain' } as const;
  await openAi.uploads.create(begun);
  await openAi.uploads.cancel((await openAi.uploads.create(begun)).id);
  const { id } = await openAi.uploads.create(begun);
  const part = await openAi.uploads.parts.create(id, { data: await toFile(Buffer.from('{}\n'), 'part') });
  await openAi.uploads.complete(id, { part_ids: [part.id] });
}

async function begin(of: string, lines: readonly (object | string)[], window: string): Promise<string> {
  const file = await uploadLines(openAi, lines);
  const asked = { input_file_id: file.id, endpoint: CHAT, completion_window: window as '24h' } as const;
  return (await openAi.batches.create({ ...asked, metadata: { of } })).id;
}

const SDKS = {
  '2.7.0': Mistral,
  '1.15.1': Mistral115 as unknown as typeof Mistral,
  '1.3.6': Mistral13 as unknown as typeof Mistral,
};

for (const [version, Sdk] of Object.entries(SDKS)) {
  describe(`Mistral's SDK ${version}, beside all that OpenAI's makes,`, () => {
    const connect = (): Mistral => new Sdk({ serverURL: bora.url, apiKey: 'none' });

    test('lists and gets batches of every state, with their counts', async () => {
      const mistral = connect();
      const { data = [], total } = await mistral.batch.jobs.list();
      assert.equal(total, 7);
      assert.deepEqual(
        new Set(data.map(({ status, model }) => `${status} ${model}`)),
        new Set([
          'SUCCESS mixed',
          'SUCCESS small',
          'FAILED mixed',
          'CANCELLED small',
          'TIMEOUT_EXCEEDED small',
          'RUNNING small',
        ]),
      );
      for (const [of, shown] of Object.entries(SHOWN)) {
        const job = await mistral.batch.jobs.get({ jobId: batches[of] });
        assert.deepEqual(
          [job.status, job.totalRequests, job.succeededRequests, job.failedRequests, job.metadata],
          [...shown, { of }],
        );
      }
    });

    test('lists, retrieves and downloads its files, whatever they are for', async () => {
      const mistral = connect();
      const { data, total } = await mistral.files.list({ pageSize: 1000 });
      const results = data.filter(({ sampleType }) => /^batch_(result|error)$/.test(sampleType));
      assert.equal(total, data.length);
      assert.deepEqual(
        data
          .map(({ purpose }) => purpose as string)
          .filter((purpose) => purpose !== 'batch')
          .toSorted(),
        OTHER_PURPOSES.toSorted(),
      );
      assert.equal(results.length, 8);
      for (const { id } of data) {
        assert.equal((await mistral.files.retrieve({ fileId: id })).id, id);
        const bytes = await new Response(await mistral.files.download({ fileId: id })).text();
        assert.equal(bytes, await (await openAi.files.content(id)).text());
      }
    });

    test("uploads what is an input of OpenAI's batches", async () => {
      const content = `${JSON.stringify(chatLine('a', 'good'))}\n`;
      const file = new File([content], 'in.jsonl');
      const { id } = await connect().files.upload({ file, purpose: 'batch' });
      // In the words of the documents that mix the two APIs.
      const asked = { input_files: [id], endpoint: CHAT, completion_window: '24h' };
      const batch = await openAi.batches.create(asked as unknown as OpenAI.BatchCreateParams);
      assert.equal(batch.input_file_id, id);
      await bora.ended(batch.id);
      const { status, output_file_id: output } = await openAi.batches.retrieve(batch.id);
      assert.equal(status, 'completed');
      await openAi.files.delete(output!);
      await bora.client.jobs.delete(batch.id);
    });
  });
}

test('each request of each batch that was planned has one line, and counts add up', async () => {
  for (const [of, [, total]] of Object.entries(SHOWN)) {
    if (of === 'failed' || of === 'running') continue;
    const batch = await openAi.batches.retrieve(batches[of]);
    const files = [batch.output_file_id, batch.error_file_id].filter((id) => id != null);
    const lines = (await Promise.all(files.map((id) => linesOf(openAi, id)))).flat();
    assert.equal(new Set(lines.map(({ custom_id: id }) => id)).size, total, of);
    assert.equal(lines.length, total, of);
    const { completed, failed } = batch.request_counts!;
    assert.ok(completed + failed <= total);
    assert.equal(completed + failed === total, batch.status === 'completed');
  }
});

test("a job of Mistral's is taken by OpenAI's SDK, among its own", async () => {
  const seen: OpenAI.Batch[] = [];
  for await (const batch of openAi.batches.list({ limit: 1 })) seen.push(batch);
  assert.deepEqual(seen.map(({ status }) => status).toSorted(), [
    'cancelled',
    'completed',
    'completed',
    'completed',
    'expired',
    'failed',
    'in_progress',
  ]);
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
