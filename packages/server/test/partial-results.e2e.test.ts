import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { connectTo } from '@bora/testkit/hostile/raw-call';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';

const CHAT = '/v1/chat/completions';
const OPTIONS = { timeout: 60_000 };

const opened = new AsyncDisposableStack();
/** A question with "later" in it is answered once this is resolved. */
let later = Promise.withResolvers<void>();
let upstream: ScriptedUpstream;
let whole: WholeBora;

before(async () => {
  upstream = opened.use(
    await startScriptedUpstream(['m'], async ({ text }) => {
      if (text.includes('later')) await later.promise;
      if (text.includes('bad')) return { status: 400, body: { message: 'bad' } };
      return chatAnswer('m', text.includes('long') ? 'x'.repeat(200 * 1024) : 'well');
    }),
  );
  whole = opened.use(await startWholeBora({ upstreams: [upstream.url] }));
});
after(async () => {
  later.resolve();
  await opened[Symbol.asyncDispose]();
});

async function ask(questions: readonly string[]): Promise<string> {
  const requests = questions.map((content) => ({ body: { messages: [{ role: 'user' as const, content }] } }));
  const { id } = await whole.client.jobs.create({ endpoint: CHAT, model: 'm', requests });
  return id;
}

async function until(jobId: string, holds: (job: BatchJob) => boolean): Promise<void> {
  while (!holds(await whole.client.jobs.get(jobId, { inline: false })));
}

function spellings(jobId: string): string[] {
  const ofOpenAi = `batch_${jobId.replaceAll('-', '')}`;
  return [jobId, ofOpenAi].flatMap((id) => [`/v1/batch/jobs/${id}/results`, `/v1/batches/${id}/results`]);
}

test(
  'what is answered of a job can be read while it runs, and is what its files have in the end',
  OPTIONS,
  async () => {
    const { client } = whole;
    const id = await ask(['later', 'good', 'bad', 'later', 'good']);
    await until(id, (job) => job.completed_requests === 3);
    const early = await Array.fromAsync(client.jobs.partialResultLines(id));
    assert.deepEqual(
      early.map(({ file, ordinal }) => [file, ordinal]),
      [
        ['output', 1],
        ['error', 2],
        ['output', 4],
      ],
    );
    const outcomes = await Array.fromAsync(client.jobs.partialResults(id));
    assert.deepEqual(
      outcomes.map(({ kind, statusCode }) => [kind, statusCode]),
      [
        ['succeeded', 200],
        ['failed', 400],
        ['succeeded', 200],
      ],
    );

    const textOf = (lines: readonly { bytes: Uint8Array }[]): string[] =>
      lines.map(({ bytes }) => Buffer.from(bytes).toString());
    for (const path of spellings(id)) {
      for (const [query, wanted] of [
        ['', 'output'],
        ['?kind=output', 'output'],
        ['?kind=error', 'error'],
      ] as const) {
        const answer = await fetch(`${whole.url}${path}${query}`);
        assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
        assert.equal(answer.headers.get('x-bora-complete'), 'false');
        const lines = textOf(early.filter(({ file }) => file === wanted));
        assert.equal(answer.headers.get('x-bora-lines'), String(lines.length));
        assert.equal(await answer.text(), lines.map((line) => `${line}\n`).join(''));
      }
      assert.equal((await fetch(`${whole.url}${path}`, { method: 'HEAD' })).headers.get('x-bora-lines'), '2');
      assert.equal((await fetch(`${whole.url}${path}?kind=both`)).status, path.includes('jobs') ? 422 : 400);
    }

    later.resolve();
    const job = await client.jobs.waitUntilComplete(id, { intervalMs: 20 });
    const final = textOf(await Array.fromAsync(client.jobs.resultLines(job)));
    assert.equal(final.length, 5);
    assert.deepEqual(textOf(await Array.fromAsync(client.jobs.partialResultLines(id))), final);
    assert.deepEqual(textOf(early), [final[1], final[2], final[4]]);
    const answer = await fetch(`${whole.url}${spellings(id)[0]}`);
    assert.equal(answer.headers.get('x-bora-complete'), 'true');
    assert.equal(answer.headers.get('x-bora-lines'), '4');
    await answer.text();

    await client.files.delete(job.output_file!);
    for (const path of spellings(id)) assert.equal((await fetch(`${whole.url}${path}`)).status, 404);
    await client.jobs.delete(id);
    for (const path of spellings(id))
      assert.equal((await fetch(`${whole.url}${path}?kind=error`)).status, 404);
  },
);

test(
  'a slow reader of a job that is deleted meanwhile meets a broken connection, never an end',
  OPTIONS,
  async () => {
    later = Promise.withResolvers();
    // In all more than the buffers of two sockets hold.
    const id = await ask([...Array.from({ length: 100 }, () => 'long'), 'later']);
    await until(id, (job) => job.completed_requests === 100);
    const reader = connectTo(whole.url);
    reader.write(`GET /v1/batch/jobs/${id}/results HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
    await once(reader, 'readable');
    await whole.client.jobs.delete(id);

    const chunks: Buffer[] = [];
    reader.on('error', () => {});
    reader.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(reader, 'close');
    const bytes = Buffer.concat(chunks);
    assert.ok(bytes.includes('x-bora-lines: 100\r\n'), 'it had begun');
    assert.ok(bytes.length < 100 * 200 * 1024, 'it was in the middle');
    assert.notEqual(bytes.subarray(-5).toString('latin1'), '0\r\n\r\n', 'the end of a chunked answer');
  },
);
