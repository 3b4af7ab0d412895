import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Mistral as Mistral13 } from 'mistralai-1.3';
import { Mistral as Mistral115 } from 'mistralai-1.15';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora, type WholeBora } from '@bora/testkit/whole-bora';

const CHAT = '/v1/chat/completions';
const OPTIONS = { timeout: 30_000 };

interface World extends AsyncDisposable {
  readonly whole: WholeBora;
  /** Lets the requests that say `hold` be answered. */
  release(): void;
}

interface ResultLine {
  readonly custom_id: string;
  readonly response: { readonly status_code: number };
}

async function openWorld(): Promise<World> {
  const held = Promise.withResolvers<void>();
  const upstream = await startScriptedUpstream(['small'], async ({ body }) => {
    const question = (body['messages'] as { content: string }[])[0].content;
    if (question === 'hold') await held.promise;
    if (question === 'bad') return { status: 400, body: { message: 'no' } };
    return chatAnswer('small', `answer to ${question}`);
  });
  const whole = await startWholeBora({ upstreams: [upstream.url] });
  return {
    whole,
    release: () => held.resolve(),
    async [Symbol.asyncDispose]() {
      held.resolve();
      await whole[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

function inputFile(...questions: string[]): { fileName: string; content: Uint8Array<ArrayBuffer> } {
  const lines = questions.map((content, at) => {
    const body = { messages: [{ role: 'user', content }] };
    return `${JSON.stringify({ custom_id: `c${at}`, body })}\n`;
  });
  return { fileName: 'in.jsonl', content: Buffer.from(lines.join('')) };
}

async function linesOf(download: ReadableStream<Uint8Array>): Promise<ResultLine[]> {
  const text = await new Response(download).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as ResultLine);
}

async function ended({ client }: WholeBora, jobId: string): Promise<void> {
  await client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
}

/** Each SDK checks every answer against schemas of its own and throws where one does not fit. */
describe("Mistral's older SDKs, unchanged", OPTIONS, () => {
  test('1.15.1: a job over a file from upload to delete, found by its filters', async () => {
    await using world = await openWorld();
    const mistral = new Mistral115({ apiKey: 'any', serverURL: world.whole.url });
    const file = await mistral.files.upload({ file: inputFile('one', 'bad', 'three'), purpose: 'batch' });
    assert.deepEqual([file.numLines, file.purpose, file.sampleType], [3, 'batch', 'batch_request']);
    const created = await mistral.batch.jobs.create({
      inputFiles: [file.id],
      endpoint: CHAT,
      model: 'small',
      metadata: { suite: 'older' },
      timeoutHours: 2,
    });
    await ended(world.whole, created.id);

    const job = await mistral.batch.jobs.get({ jobId: created.id });
    assert.deepEqual([job.status, job.succeededRequests, job.failedRequests], ['SUCCESS', 2, 1]);
    assert.deepEqual(job.errors, [{ message: 'HTTP Error, status code: 400', count: 1 }]);
    const output = await linesOf(await mistral.files.download({ fileId: job.outputFile! }));
    assert.deepEqual(
      output.map((line) => line.custom_id),
      ['c0', 'c2'],
    );
    const errors = await linesOf(await mistral.files.download({ fileId: job.errorFile! }));
    assert.deepEqual(
      errors.map((line) => line.response.status_code),
      [400],
    );

    const found = async (
      filters: Parameters<typeof mistral.batch.jobs.list>[0],
    ): Promise<number | undefined> => (await mistral.batch.jobs.list(filters)).data?.length;
    assert.equal(await found({}), 1);
    assert.equal(await found({ status: ['SUCCESS', 'FAILED'], metadata: { suite: 'older' } }), 1);
    assert.equal(await found({ status: ['QUEUED'] }), 0);
    assert.equal(await found({ metadata: { suite: 'other' } }), 0);
    assert.equal(
      await found({ model: 'small', createdAfter: new Date(0), orderBy: 'created', pageSize: 1 }),
      1,
    );

    assert.equal((await mistral.files.list({ purpose: 'batch' })).total, 3);
    assert.equal((await mistral.files.retrieve({ fileId: file.id })).deleted, false);
    assert.equal((await mistral.files.delete({ fileId: file.id })).deleted, true);
  });

  test('1.15.1: inline requests, and a job that is cancelled', async () => {
    await using world = await openWorld();
    const mistral = new Mistral115({ apiKey: 'any', serverURL: world.whole.url });
    const requests = ['one', 'two'].map((content, at) => ({
      customId: `c${at}`,
      body: { messages: [{ role: 'user', content }] },
    }));
    const created = await mistral.batch.jobs.create({ requests, endpoint: CHAT, model: 'small' });
    await ended(world.whole, created.id);
    const job = await mistral.batch.jobs.get({ jobId: created.id, inline: true });
    assert.deepEqual(
      job.outputs?.map((line) => line['custom_id']),
      ['c0', 'c1'],
    );

    const file = await mistral.files.upload({ file: inputFile('hold'), purpose: 'batch' });
    const held = await mistral.batch.jobs.create({ inputFiles: [file.id], endpoint: CHAT, model: 'small' });
    const cancelled = await mistral.batch.jobs.cancel({ jobId: held.id });
    assert.match(cancelled.status, /^CANCEL/);
    world.release();
    await ended(world.whole, held.id);
    assert.equal((await mistral.batch.jobs.get({ jobId: held.id })).status, 'CANCELLED');
  });

  test('1.3.6: a job over a file from upload to delete, found by its filters, and one that is cancelled', async () => {
    await using world = await openWorld();
    const mistral = new Mistral13({ apiKey: 'any', serverURL: world.whole.url });
    const file = await mistral.files.upload({ file: inputFile('one', 'bad'), purpose: 'batch' });
    assert.equal(file.purpose, 'batch');
    const created = await mistral.batch.jobs.create({
      inputFiles: [file.id],
      endpoint: CHAT,
      model: 'small',
    });
    await ended(world.whole, created.id);
    const job = await mistral.batch.jobs.get({ jobId: created.id });
    assert.deepEqual([job.status, job.succeededRequests, job.failedRequests], ['SUCCESS', 1, 1]);
    const output = await linesOf(await mistral.files.download({ fileId: job.outputFile! }));
    assert.deepEqual(
      output.map((line) => line.custom_id),
      ['c0'],
    );

    // It sends filters that are null as the word `null`.
    const all = await mistral.batch.jobs.list({ metadata: null, status: null });
    assert.equal(all.data?.length, 1);
    assert.equal((await mistral.batch.jobs.list({ status: 'SUCCESS' })).total, 1);
    assert.equal((await mistral.batch.jobs.list({ status: 'FAILED' })).total, 0);
    assert.equal((await mistral.files.list({})).total, 3);

    const second = await mistral.files.upload({ file: inputFile('hold'), purpose: 'batch' });
    const held = await mistral.batch.jobs.create({ inputFiles: [second.id], endpoint: CHAT, model: 'small' });
    assert.match((await mistral.batch.jobs.cancel({ jobId: held.id })).status, /^CANCEL/);
    world.release();
    await ended(world.whole, held.id);
    assert.equal((await mistral.batch.jobs.get({ jobId: held.id })).status, 'CANCELLED');
    assert.equal((await mistral.files.delete({ fileId: file.id })).deleted, true);
  });
});
