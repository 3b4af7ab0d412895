import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BoraClient } from '@bora/client';
import type { BoraError } from '@bora/client/bora-error';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { chatUpstream } from './chat-upstream.ts';
import type { ChatUpstream } from './chat-upstream.ts';

const CHAT = '/v1/chat/completions';

let upstream: ChatUpstream;
let whole: WholeBora;
let client: BoraClient;
before(async () => {
  upstream = await chatUpstream();
  whole = await startWholeBora({ upstreams: [upstream.url] });
  client = whole.client;
});
after(async () => {
  await whole[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

function requests(prompts: readonly string[]): Uint8Array {
  const lines = prompts.map((content, index) =>
    JSON.stringify({ custom_id: `c${index}`, body: { messages: [{ role: 'user', content }] } }),
  );
  return new TextEncoder().encode(lines.join('\n'));
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('a file goes up, is found, comes down the same, is shared by link and deleted', async () => {
  const bytes = requests(['a', 'b']);
  const file = await client.files.upload(new Blob([bytes]).stream(), {
    filename: 'garden.jsonl',
  });
  assert.equal(file.num_lines, 2);
  assert.equal(file.bytes, bytes.length);
  const found = await client.files.list({ search: 'garden', sample_type: ['batch_request'] });
  assert.deepEqual(
    found.data.map(({ id }) => id),
    [file.id],
  );
  const content = await new Response(await client.files.content(file.id)).bytes();
  assert.deepEqual(Buffer.from(content), Buffer.from(bytes));
  const shared = await fetch(await client.files.signedUrl(file.id, { expiry: 1 }));
  assert.equal((await shared.bytes()).length, bytes.length);
  assert.equal((await client.files.delete(file.id)).deleted, true);
  await assert.rejects(client.files.content(file.id), (error: BoraError) => {
    assert.equal(error.status, 404);
    assert.equal(error.code, 'file_not_found');
    assert.equal(typeof error.requestId, 'string');
    return true;
  });
});

test('outcomes of a job come in input order, succeeded and failed ones typed', async () => {
  const file = await client.files.upload(requests(['x', 'bad', 'y', 'bad', 'z']));
  const job = await client.jobs.create({ endpoint: CHAT, model: 'm', input_files: [file.id] });
  const seen: number[] = [];
  const ended = await client.jobs.waitUntilComplete(job.id, {
    intervalMs: 20,
    onProgress: (look) => seen.push(look.completed_requests),
  });
  assert.equal(ended.status, 'SUCCESS');
  assert.equal(seen.at(-1), 5);
  const outcomes = await collect(client.jobs.results(ended));
  assert.deepEqual(
    outcomes.map(({ ordinal, customId, kind, statusCode }) => [ordinal, customId, kind, statusCode]),
    [
      [0, 'c0', 'succeeded', 200],
      [1, 'c1', 'failed', 400],
      [2, 'c2', 'succeeded', 200],
      [3, 'c3', 'failed', 400],
      [4, 'c4', 'succeeded', 200],
    ],
  );
  assert.equal(outcomes[1].error?.message, 'no');
});

test('jobs are listed by page, status and metadata', async () => {
  const made = [];
  for (let index = 0; index < 3; index += 1)
    made.push(
      await client.jobs.create({
        endpoint: CHAT,
        model: 'm',
        metadata: { group: 'listing', number: String(index) },
        requests: [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'hello' }] } }],
      }),
    );
  for (const job of made) await client.jobs.waitUntilComplete(job.id, { intervalMs: 20 });
  const all = await collect(
    client.jobs.listAll({ metadata: { group: 'listing' }, page_size: 1, order_by: 'created' }),
  );
  assert.deepEqual(
    all.map(({ id }) => id),
    made.map(({ id }) => id),
  );
  const one = await client.jobs.list({ metadata: { group: 'listing', number: '1' }, status: ['SUCCESS'] });
  assert.deepEqual(
    one.data.map(({ id }) => id),
    [made[1].id],
  );
  const shown = await client.jobs.get(made[0].id);
  assert.equal(shown.outputs?.length, 1);
});

test('a cancelled job keeps what was answered, and a deleted one is gone', async () => {
  await using slow = await chatUpstream(3);
  await using other = await startWholeBora({
    upstreams: [slow.url],
    env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '2' },
  });
  const { files, jobs } = other.client;
  const file = await files.upload(requests(Array.from({ length: 20 }, (_, index) => `p${index}`)));
  const job = await jobs.create({ endpoint: CHAT, model: 'm', input_files: [file.id] });
  await slow.cameIn(5);
  const cancelling = await jobs.cancel(job.id);
  assert.equal(cancelling.status, 'CANCELLATION_REQUESTED');
  slow.release();
  const ended = await jobs.waitUntilComplete(job.id, { intervalMs: 20 });
  assert.equal(ended.status, 'CANCELLED');
  const outcomes = await collect(jobs.results(ended));
  assert.equal(outcomes.length, ended.succeeded_requests);
  assert.ok(outcomes.length >= 3 && outcomes.length < 20, String(outcomes.length));
  assert.equal((await jobs.delete(job.id)).deleted, true);
  await assert.rejects(jobs.get(job.id), { status: 404, code: 'job_not_found' });
});
