import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import type { BatchJob } from '@mistralai/mistralai/models/components';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

const CHAT = '/v1/chat/completions';

interface ResultLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: {
    readonly status_code: number;
    readonly body: string | { choices: { message: { content: string } }[] };
  };
}

let upstream: ScriptedUpstream;
let whole: WholeBora;
let mistral: Mistral;
/** Questions that say `hold` are answered once this resolves. */
let release = Promise.withResolvers<void>();

before(async () => {
  upstream = await startScriptedUpstream(['small', 'large'], async ({ endpoint, body }) => {
    if (endpoint === '/v1/embeddings') {
      const data = [{ object: 'embedding', index: 0, embedding: [0.5, -1] }];
      return {
        body: {
          id: 'e',
          object: 'list',
          model: body['model'],
          data,
          usage: { prompt_tokens: 2, total_tokens: 2 },
        },
      };
    }
    const question = (body['messages'] as { content: string }[])[0].content;
    if (question === 'hold') await release.promise;
    if (question === 'bad') {
      return {
        status: 400,
        body: { object: 'error', message: 'no', type: 'invalid', param: null, code: null },
      };
    }
    return chatAnswer(String(body['model']), `answer to ${question}`);
  });
  whole = await startWholeBora({ upstreams: [upstream.url] });
  mistral = new Mistral({ apiKey: 'any', serverURL: whole.url });
});
after(async () => {
  release.resolve();
  await whole[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

function line(customId: string, question: string, model?: string): string {
  const messages = [{ role: 'user', content: question }];
  return `${JSON.stringify({ custom_id: customId, body: { ...(model === undefined ? {} : { model }), messages } })}\n`;
}

async function upload(text: string, fileName = 'in.jsonl'): Promise<string> {
  const file = await mistral.files.upload({
    file: { fileName, content: Buffer.from(text) },
    purpose: 'batch',
  });
  return file.id;
}

async function ended(jobId: string): Promise<BatchJob> {
  await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
  return mistral.batch.jobs.get({ jobId });
}

async function download(fileId: string): Promise<ResultLine[]> {
  const text = await new Response(await mistral.files.download({ fileId })).text();
  return text
    .trimEnd()
    .split('\n')
    .map((written) => JSON.parse(written) as ResultLine);
}

test('several files become one job, whose answers come back in input order', async () => {
  const first = await upload(
    Array.from({ length: 40 }, (_, at) => line(`a${at}`, at === 7 ? 'bad' : `q${at}`)).join(''),
  );
  const second = await upload(line('b0', 'bad') + line('b1', 'last'));
  const created = await mistral.batch.jobs.create({
    inputFiles: [first, second],
    endpoint: CHAT,
    model: 'small',
    metadata: { suite: 'files' },
  });
  assert.equal(created.object, 'batch');
  const job = await ended(created.id);
  assert.deepEqual(
    [job.status, job.totalRequests, job.completedRequests, job.succeededRequests, job.failedRequests],
    ['SUCCESS', 42, 42, 40, 2],
  );
  assert.deepEqual(job.errors, [{ message: 'HTTP Error, status code: 400', count: 2 }]);
  assert.equal(job.outputs, null, 'a job over files shows results only if asked');

  const output = await download(job.outputFile!);
  assert.deepEqual(
    output.map((row) => row.custom_id),
    [...Array.from({ length: 40 }, (_, at) => `a${at}`).filter((id) => id !== 'a7'), 'b1'],
  );
  const errors = await download(job.errorFile!);
  assert.deepEqual(
    errors.map((row) => [row.custom_id, row.response.status_code]),
    [
      ['a7', 400],
      ['b0', 400],
    ],
  );

  const merged = (await mistral.batch.jobs.get({ jobId: job.id, inline: true }))
    .outputs as unknown as ResultLine[];
  assert.deepEqual(
    merged.map((row) => Number(row.id.split('-').at(-1))),
    Array.from({ length: 42 }, (_, ordinal) => ordinal),
  );
  assert.deepEqual(merged[7], errors[0]);

  const files = await mistral.files.list({ sampleType: ['batch_result', 'batch_error'] });
  assert.deepEqual(
    files.data
      .map(({ id, source, signature }) => ({ id, source, signature }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    [job.outputFile!, job.errorFile!].toSorted().map((id) => ({ id, source: 'mistral', signature: null })),
  );
});

test('inline requests show their results, failed ones too, without being asked', async () => {
  const created = await mistral.batch.jobs.create({
    requests: ['one', 'bad', 'three'].map((content, at) => ({
      customId: String(at),
      body: { messages: [{ role: 'user', content }] },
    })),
    endpoint: CHAT,
    model: 'large',
    metadata: { suite: 'inline' },
  });
  assert.equal(created.inputFiles.length, 1);
  const job = await ended(created.id);
  const rows = job.outputs as unknown as ResultLine[];
  assert.deepEqual(
    rows.map((row) => [row.custom_id, row.response.status_code]),
    [
      ['0', 200],
      ['1', 400],
      ['2', 200],
    ],
  );
  assert.equal(
    (rows[2].response.body as { choices: { message: { content: string } }[] }).choices[0].message.content,
    'answer to three',
  );
  assert.equal((await mistral.batch.jobs.get({ jobId: job.id, inline: false })).outputs, null);
});

test('requests without an id, as the documentation of the real service makes them, run all the same', async () => {
  const created = await mistral.batch.jobs.create({
    requests: [{ body: { input: 'text', model: 'small' } }],
    endpoint: '/v1/embeddings',
  });
  const job = await ended(created.id);
  assert.equal(job.model, 'small');
  const [row] = job.outputs as unknown as ResultLine[];
  assert.deepEqual([row.custom_id, row.response.status_code], [null, 200]);
});

test('jobs are listed by metadata, status, model and date, as this SDK sends them', async () => {
  const listed = await mistral.batch.jobs.list({
    metadata: { suite: 'inline' },
    status: ['SUCCESS', 'RUNNING'],
    model: 'large',
    createdAfter: new Date('2024-05-01T10:00:00Z'),
    createdByMe: true,
    orderBy: 'created',
  });
  assert.equal(listed.total, 1);
  assert.deepEqual(listed.data?.[0].metadata, { suite: 'inline' });
  assert.equal((await mistral.batch.jobs.list({ status: ['FAILED'] })).total, 0);
  assert.ok((await mistral.batch.jobs.list()).total >= 3);
});

test('a running job is cancelled: what was in flight finishes and is kept', async () => {
  release = Promise.withResolvers();
  const seen = upstream.requests.length;
  const input = await upload(line('a', 'hold') + line('b', 'hold'));
  const { id } = await mistral.batch.jobs.create({ inputFiles: [input], endpoint: CHAT, model: 'small' });
  await upstream.received(seen + 2);
  assert.equal((await mistral.batch.jobs.get({ jobId: id })).status, 'RUNNING');
  assert.equal((await mistral.batch.jobs.cancel({ jobId: id })).status, 'CANCELLATION_REQUESTED');
  release.resolve();
  const job = await ended(id);
  assert.deepEqual([job.status, job.succeededRequests], ['CANCELLED', 2]);
  assert.equal((await download(job.outputFile!)).length, 2);
  assert.equal((await mistral.batch.jobs.cancel({ jobId: id })).status, 'CANCELLED');
});

test('a file is retrieved, linked, deleted, and a job deleted without its files', async () => {
  const input = await upload(line('a', 'one'), 'übung.jsonl');
  const { id } = await mistral.batch.jobs.create({ inputFiles: [input], endpoint: CHAT, model: 'small' });
  const job = await ended(id);
  const file = await mistral.files.retrieve({ fileId: input });
  assert.deepEqual([file.filename, file.deleted, file.numLines], ['übung.jsonl', false, 1]);
  const { url } = await mistral.files.getSignedUrl({ fileId: input });
  assert.equal(await (await fetch(url)).text(), line('a', 'one'));

  assert.deepEqual(await mistral.batch.jobs.delete({ jobId: id }), { id, object: 'batch', deleted: true });
  await assert.rejects(mistral.batch.jobs.get({ jobId: id }), { statusCode: 404 });
  assert.equal((await download(job.outputFile!)).length, 1);
  assert.deepEqual(await mistral.files.delete({ fileId: input }), {
    id: input,
    object: 'file',
    deleted: true,
  });
  await assert.rejects(mistral.files.retrieve({ fileId: input }), { statusCode: 404 });
});

test('a bad file is refused with its lines, an unknown model with the known ones', async () => {
  await assert.rejects(
    upload(line('a', 'x') + 'nonsense\n'),
    (error: { statusCode: number; body: string }) => {
      assert.equal(error.statusCode, 422);
      assert.match(error.body, /Found 1 error in this file.*"line_number":2/);
      return true;
    },
  );
  const input = await upload(line('a', 'x'));
  await assert.rejects(
    mistral.batch.jobs.create({ inputFiles: [input], endpoint: CHAT, model: 'huge' }),
    (error: { statusCode: number; body: string }) => {
      assert.equal(error.statusCode, 422);
      assert.match(error.body, /Served are: small, large\./);
      return true;
    },
  );
});

test('an address that ends in /v1 or a slash is as good as one that does not', async () => {
  const input = await upload(line('a', 'x'));
  for (const ending of ['/', '/v1', '/v1/']) {
    const sdk = new Mistral({ apiKey: 'any', serverURL: `${whole.url}${ending}` });
    const { id } = await sdk.batch.jobs.create({ inputFiles: [input], endpoint: CHAT, model: 'small' });
    assert.equal((await sdk.batch.jobs.get({ jobId: id })).id, id);
    assert.equal((await sdk.batch.jobs.list({ pageSize: 1 })).data?.[0]?.id, id);
    const content = await sdk.files.download({ fileId: input });
    assert.equal(await new Response(content).text(), line('a', 'x'));
  }
});

test('with no upstream at all a job is taken, waits and says why', async () => {
  await using lonely = await startWholeBora({ upstreams: [] });
  const sdk = new Mistral({ apiKey: 'any', serverURL: lonely.url });
  const { id, status } = await sdk.batch.jobs.create({
    requests: [{ body: { messages: [] } }],
    endpoint: CHAT,
    model: 'small',
  });
  assert.equal(status, 'QUEUED');
  assert.match((await lonely.client.jobs.get(id)).bora!.waiting!.join(), /No upstream is configured/);
});
