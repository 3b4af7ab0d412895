import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { connectTo } from '@bora/testkit/hostile/raw-call';
import { chatAnswer, startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { startWholeBora } from '@bora/testkit/whole-bora';

const REQUESTS = 100;
/** In all more than the buffers of two sockets hold. */
const ANSWER = 'x'.repeat(200 * 1024);

test('a slow reader of inline outputs gets all of them, though the job and its file are deleted meanwhile', async () => {
  await using upstream = await startScriptedUpstream(['m'], () => chatAnswer('m', ANSWER));
  await using whole = await startWholeBora({ upstreams: [upstream.url] });
  const { client } = whole;
  const requests = Array.from({ length: REQUESTS }, (_, at) => ({
    custom_id: String(at),
    body: { messages: [{ role: 'user' as const, content: 'hello' }] },
  }));
  const { id } = await client.jobs.create({ endpoint: '/v1/chat/completions', model: 'm', requests });
  const ended = await client.jobs.waitUntilComplete(id, { intervalMs: 20 });

  const reader = connectTo(whole.url);
  reader.write(`GET /v1/batch/jobs/${id}?inline=true HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n`);
  await once(reader, 'readable');
  const before = reader.bytesRead;
  await client.jobs.delete(id);
  await client.files.delete(ended.output_file!);
  await assert.rejects(client.jobs.get(id), { status: 404 });

  const chunks: Buffer[] = [];
  for await (const chunk of reader) chunks.push(chunk as Buffer);
  assert.ok(before < REQUESTS * ANSWER.length, 'it was in the middle');
  const text = Buffer.concat(chunks).toString();
  const job = JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4)) as BatchJob;
  assert.deepEqual(
    job.outputs?.map(({ custom_id: customId }) => customId),
    requests.map(({ custom_id: customId }) => customId),
  );
});
