import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { test } from 'node:test';
import { BoraClient } from '@bora/client';
import type { Clock } from '@bora/client/clock';
import type { Database } from '@bora/server/storage/ports/database';
import { DatabaseRefused } from '@bora/server/storage/ports/database';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { chatUpstream } from './chat-upstream.ts';

const REQUEST = { custom_id: 'a', body: { messages: [{ role: 'user', content: 'hello' }] } };
const FILE = new Blob([JSON.stringify(REQUEST)]);
const JOB = { endpoint: '/v1/chat/completions', model: 'simulated-chat' } as const;

/** Jobs, and the files that they or uploads made. */
async function countsOf({ client }: WholeBora): Promise<{ jobs: number; files: number | null }> {
  const files = await client.files.list({ sample_type: ['batch_request'] });
  return { jobs: (await client.jobs.list()).total, files: files.total };
}

/** A client that repeats at once, and does something before it does. */
function repeating(bora: WholeBora, beforeRetry: () => Promise<unknown>): BoraClient {
  const clock: Clock = {
    elapsed: () => performance.now(),
    sleep: async () => void (await beforeRetry()),
  };
  return new BoraClient({ baseUrl: bora.url, clock });
}

for (const kind of ['inline requests', 'a file']) {
  test(`a create over ${kind} that is answered 429 wrote nothing, is made again, and makes one job`, async () => {
    await using upstream = await chatUpstream(0);
    await using bora = await startWholeBora({
      upstreams: [upstream.url],
      env: { BORA_MAX_ACTIVE_JOBS: '1' },
    });
    const { files, jobs } = bora.client;
    const input = await files.upload(FILE);
    const running = await jobs.create({ ...JOB, model: 'm', input_files: [input.id] });
    const before = await countsOf(bora);
    let retries = 0;
    const client = repeating(bora, async () => {
      retries += 1;
      assert.deepEqual(await countsOf(bora), before, 'the refused call left something');
      await jobs.cancel(running.id);
      upstream.release();
      await jobs.waitUntilComplete(running.id, { intervalMs: 10 });
    });
    const isInline = kind === 'inline requests';
    await client.jobs.create({
      ...JOB,
      model: 'm',
      ...(isInline ? { requests: [REQUEST] } : { input_files: [input.id] }),
    });
    assert.equal(retries, 1);
    assert.deepEqual(await countsOf(bora), { jobs: 2, files: isInline ? 2 : 1 });
  });
}

/** A database that makes what it is told to, loses the answer, and refuses the repetition. */
function losingAnswers(method: 'createBatch' | 'createFile'): (database: Database) => Database {
  let calls = 0;
  return (database) =>
    new Proxy(database, {
      get(target, property: keyof Database) {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return value;
        if (property !== method) return value.bind(target) as unknown;
        return async (...args: unknown[]): Promise<unknown> => {
          calls += 1;
          if (calls > 1) throw new DatabaseRefused('data_folder_in_use', 'Another process has the folder.');
          await (value.apply(target, args) as Promise<unknown>);
          throw new Error('the answer was lost');
        };
      },
    });
}

test('a create that is answered 503 may have made the job, so it is not made again', async () => {
  await using bora = await startWholeBora({ overrides: { database: losingAnswers('createBatch') } });
  const input = await bora.client.files.upload(FILE);
  const client = repeating(bora, () => assert.fail('it was made again'));
  await assert.rejects(client.jobs.create({ ...JOB, input_files: [input.id] }), {
    status: 503,
    code: 'storage_unavailable',
  });
  assert.equal((await countsOf(bora)).jobs, 1);
});

test('an upload that is answered 503 may have made the file, so it is not made again', async () => {
  await using bora = await startWholeBora({ overrides: { database: losingAnswers('createFile') } });
  const client = repeating(bora, () => assert.fail('it was made again'));
  await assert.rejects(client.files.upload(FILE), { status: 503, code: 'storage_unavailable' });
  assert.equal((await countsOf(bora)).files, 1);
});

interface Way extends AsyncDisposable {
  readonly url: string;
  /** Where it leads. */
  to: string;
  breaks: number;
}

/** A way to a Bora whose connections break after so many bytes of answers, again and again. */
async function wayTo(to: string, breaksAfter: number): Promise<Way> {
  const open = new Set<Socket>();
  const way = { to, breaks: 0 };
  const server = createServer((socket) => {
    const target = connect(Number(new URL(way.to).port), '127.0.0.1');
    let left = breaksAfter;
    target.on('data', (chunk) => {
      socket.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left > 0) return;
      way.breaks += 1;
      target.destroy();
    });
    target.on('close', () => socket.destroySoon());
    socket.on('close', () => target.destroy());
    for (const one of [socket, target])
      one.on('error', () => one.destroy()).on('close', () => open.delete(one));
    open.add(socket).add(target);
    socket.pipe(target);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(way, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

test('a file comes down whole over connections that break again and again', async () => {
  await using bora = await startWholeBora();
  const lines = Array.from({ length: 3_000 }, (_, index) =>
    JSON.stringify({ ...REQUEST, custom_id: `c${index}` }),
  );
  const content = new TextEncoder().encode(lines.join('\n'));
  const file = await bora.client.files.upload(content);
  await using way = await wayTo(bora.url, 50_000);
  const stream = await new BoraClient({ baseUrl: way.url }).files.content(file.id);
  assert.deepEqual(Buffer.from(await new Response(stream).arrayBuffer()), Buffer.from(content));
  assert.ok(way.breaks >= 4, String(way.breaks));
});

test('a wait goes on over a restart of Bora; until the job has ended its results are not there', async () => {
  await using folder = await makeTemporaryFolder();
  await using upstream = await chatUpstream(0);
  const options = { upstreams: [upstream.url], dataFolder: folder.path };
  const first = await startWholeBora(options);
  await using way = await wayTo(first.url, Infinity);
  const { jobs } = new BoraClient({ baseUrl: way.url });
  const job = await jobs.create({ ...JOB, model: 'm', requests: [REQUEST] });
  await assert.rejects(jobs.results(job).next(), { name: 'JobNotEnded', code: 'job_not_ended' });
  const { promise: seen, resolve } = Promise.withResolvers<void>();
  const waiting = jobs.waitUntilComplete(job.id, { intervalMs: 20, onProgress: () => resolve() });
  await seen;
  await upstream.cameIn(1);
  await first[Symbol.asyncDispose]();
  await using second = await startWholeBora(options);
  way.to = second.url;
  upstream.release();
  assert.equal((await waiting).succeeded_requests, 1);
});
