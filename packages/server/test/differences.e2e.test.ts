import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { startWholeBora } from '@bora/testkit/whole-bora';

/** What docs/differences.md says, where no test of a part holds it. */
const ENDPOINT = '/v1/chat/completions';
const GOOD = { custom_id: 'a', body: { messages: [{ role: 'user', content: 'Say hello.' }] } };
const BAD = { custom_id: 'b', body: { messages: 'not a list' } };

let whole: WholeBora;
before(async () => {
  whole = await startWholeBora();
});
after(() => whole[Symbol.asyncDispose]());

async function upload(text: string): Promise<string> {
  const file = await whole.client.files.upload(new Blob([text]), { filename: 'in.jsonl' });
  return file.id;
}

async function end(
  input: { requests: (typeof GOOD | typeof BAD)[] } | { input_files: string[] },
): Promise<BatchJob> {
  const job = await whole.client.jobs.create({ endpoint: ENDPOINT, model: 'simulated-chat', ...input });
  await whole.client.jobs.waitUntilComplete(job.id, { intervalMs: 20 });
  return whole.client.jobs.get(job.id);
}

test('the same content uploaded twice is two files', async () => {
  const line = `${JSON.stringify(GOOD)}\n`;
  assert.notEqual(await upload(line), await upload(line));
});

test('a byte order mark, CRLF and blank lines are taken, and are no requests', async () => {
  const fileId = await upload(`\uFEFF${JSON.stringify(GOOD)}\r\n\r\n${JSON.stringify(GOOD)}\r\n`);
  assert.equal((await end({ input_files: [fileId] })).succeeded_requests, 2);
});

test('a job whose every line failed is a success without an output file', async () => {
  const job = await end({ requests: [BAD] });
  assert.equal(job.status, 'SUCCESS');
  assert.equal(job.output_file, null);
  assert.notEqual(job.error_file, null);
});

test('outputs hold failed lines among the others, and stay out of the list and of jobs made from files', async () => {
  const job = await end({ requests: [BAD, GOOD] });
  assert.deepEqual(
    job.outputs?.map(({ custom_id }) => custom_id),
    ['b', 'a'],
  );
  assert.equal((await end({ input_files: job.input_files })).outputs, null);
  const { data } = await whole.client.jobs.list();
  assert.ok(data.length > 1 && data.every(({ outputs }) => outputs === null));
});
