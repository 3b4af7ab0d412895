import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { systemClock } from '../src/observe/clock.ts';
import { call, chatLine, postJson, startApiServer, uploadLines } from './api-server.ts';
import type { ApiServer } from './api-server.ts';
import { openAiClient } from './openai-client.ts';

const CHAT = '/v1/chat/completions';
/** Time stands still, so that all is made in the same millisecond. */
const NOW = systemClock.now();

let server: ApiServer;
let client: OpenAI;
let input: string;
beforeEach(async () => {
  server = await startApiServer({ ahead: () => NOW - systemClock.now() });
  client = openAiClient(server);
  input = await uploadLines(server, [chatLine('a', 'm')]);
});
afterEach(() => server[Symbol.asyncDispose]());

async function createBatch(): Promise<string> {
  const body = { input_file_id: input, endpoint: CHAT, completion_window: '24h' };
  return (await postJson<OpenAiBatch>(server, '/v1/batches', body)).body.id;
}

async function createBatches(count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let made = 0; made < count; made++) ids.push(await createBatch());
  return ids;
}

async function deleteBatch(id: string): Promise<void> {
  assert.equal((await call(server, `/v1/batch/jobs/${id}`, { method: 'DELETE' })).status, 200);
}

for (const [version, Client] of [
  ['7.55', OpenAI],
  ['6.49', OpenAI6 as unknown as typeof OpenAI],
] as const) {
  test(`SDK ${version} walks through all batches of one millisecond, each once, to an end, whatever the page`, async () => {
    const made = await createBatches(9);
    const sdk = openAiClient(server, Client);
    const walks: string[][] = [];
    for (const limit of [1, 2, 3, 9, 10, 100]) {
      const walk: string[] = [];
      for await (const { id, created_at } of sdk.batches.list({ limit })) {
        assert.equal(created_at, Math.floor(NOW / 1000));
        walk.push(id);
      }
      walks.push(walk);
    }
    assert.deepEqual(walks[0].toSorted(), made.toSorted());
    for (const walk of walks) assert.deepEqual(walk, walks[0], 'the order is the same each time');
  });
}

test('a walk goes on undisturbed while batches are made', async () => {
  const made = await createBatches(6);
  const walk: string[] = [];
  for await (const { id } of client.batches.list({ limit: 2 })) {
    walk.push(id);
    if (walk.length < 20) await createBatch();
  }
  assert.equal(new Set(walk).size, walk.length, 'none comes twice');
  for (const id of made) assert.ok(walk.includes(id), 'what was there at the start comes');
});

test('a walk that deletes what it has seen comes to all of them', async () => {
  const made = await createBatches(7);
  const walk: string[] = [];
  for await (const { id } of client.batches.list({ limit: 2 })) {
    walk.push(id);
    await deleteBatch(id);
  }
  assert.deepEqual(walk.toSorted(), made.toSorted());
  assert.deepEqual((await client.batches.list()).data, []);
});

test("batches that are deleted ahead of a walk are left out, and one behind it changes nothing, also for Mistral's cursor", async () => {
  await createBatches(6);
  const order = (await client.batches.list()).data.map(({ id }) => id);
  await deleteBatch(order[1]);
  await deleteBatch(order[3]);
  const behind = await client.batches.list({ after: order[1], limit: 2 });
  assert.deepEqual(
    behind.data.map(({ id }) => id),
    [order[2], order[4]],
  );
  assert.equal(behind.has_more, true);
  const { body } = await call<{ data: { id: string }[] }>(server, `/v1/batch/jobs?limit=2&after=${order[3]}`);
  assert.deepEqual(
    body.data.map(({ id }) => `batch_${id.replaceAll('-', '')}`),
    [order[4], order[5]],
  );
});

test('files of one millisecond are walked through in either order, each once', async () => {
  for (let made = 0; made < 6; made++) await uploadLines(server, [chatLine('a', 'm')]);
  const down: string[] = [];
  for await (const { id } of client.files.list({ limit: 2 })) down.push(id);
  const up: string[] = [];
  for await (const { id } of client.files.list({ limit: 3, order: 'asc' })) up.push(id);
  assert.equal(new Set(down).size, 7);
  assert.deepEqual(up, down.toReversed());
});
