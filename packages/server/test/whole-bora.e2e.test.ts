import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { createApiKey } from '../src/access/create-key.ts';
import { CannotListen } from '../src/api/listen.ts';
import { readConfig } from '../src/config/config.ts';
import { systemClock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import { OpenToEverybody } from '../src/access/loopback.ts';
import { Bora } from '../src/main.ts';
import { DatabaseRefused } from '../src/storage/ports/database.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';

const CHAT = '/v1/chat/completions';
const REQUESTS = Array.from({ length: 100 }, (_, at) => ({
  custom_id: String(at),
  body: { messages: [{ role: 'user', content: `question ${at}` }] },
}));

test('a job runs against the simulator, each request once, and all is still there after a restart', async () => {
  await using folder = await makeTemporaryFolder();
  let jobId: string;
  {
    await using whole = await startWholeBora({ dataFolder: folder.path });
    const job = await whole.client.jobs.create({
      endpoint: CHAT,
      model: 'simulated-chat',
      requests: REQUESTS,
    });
    jobId = job.id;
    const ended = await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
    assert.deepEqual([ended.status, ended.succeeded_requests], ['SUCCESS', 100]);
    assert.equal(whole.simulator.stats().requests, 100);
  }
  await using whole = await startWholeBora({ dataFolder: folder.path });
  const job = await whole.client.jobs.get(jobId);
  assert.deepEqual(
    job.outputs?.map(({ custom_id: id }) => id),
    REQUESTS.map(({ custom_id: id }) => id),
  );
  assert.equal(whole.simulator.stats().requests, 0);
});

test('a job that was stopped in the middle goes on after the next start', async () => {
  await using folder = await makeTemporaryFolder();
  let jobId: string;
  {
    await using whole = await startWholeBora({
      dataFolder: folder.path,
      env: { BORA_STOP_GRACE_SECONDS: '0' },
      simulator: { latencyMs: 60_000 },
    });
    jobId = (await whole.client.jobs.create({ endpoint: CHAT, model: 'simulated-chat', requests: REQUESTS }))
      .id;
  }
  await using whole = await startWholeBora({ dataFolder: folder.path });
  const ended = await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
  assert.deepEqual([ended.status, ended.succeeded_requests], ['SUCCESS', 100]);
});

test('a line longer than the default limit is sent if the setting allows it', async () => {
  await using whole = await startWholeBora({ env: { BORA_MAX_LINE_BYTES: '20MiB' } });
  const content = 'x'.repeat(17 * 1024 * 1024);
  const line = JSON.stringify({ custom_id: 'long', body: { messages: [{ role: 'user', content }] } });
  const file = await whole.client.files.upload(new Blob([line, '\n']), { filename: 'long.jsonl' });
  const job = await whole.client.jobs.create({
    input_files: [file.id],
    endpoint: CHAT,
    model: 'simulated-chat',
  });
  const ended = await whole.client.jobs.waitUntilComplete(job.id, { intervalMs: 20 });
  assert.deepEqual([ended.status, ended.succeeded_requests], ['SUCCESS', 1]);
});

test('beyond loopback Bora starts only once a key exists', async () => {
  await using folder = await makeTemporaryFolder();
  const env = { BORA_HOST: '0.0.0.0', BORA_PORT: '0', BORA_DATA: folder.path };
  {
    await using bora = await Bora.fromEnv({ env, folder: folder.path }, { log: silentLog });
    await assert.rejects(bora.start(), OpenToEverybody);
    assert.throws(() => bora.url, /does not listen yet/);
  }
  {
    await using database = await openSqliteDatabase({ folder: folder.path, clock: systemClock });
    await createApiKey(database, { workspace: 'default', name: 'test' });
  }
  await using bora = await Bora.fromEnv({ env, folder: folder.path }, { log: silentLog });
  await bora.start();
  assert.equal((await fetch(`${bora.url}/v1/files`)).status, 401);
});

test('a taken port, and a data folder in use, are each refused with a sentence', async () => {
  await using folder = await makeTemporaryFolder();
  await using blocker = createServer();
  blocker.listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as AddressInfo;
  const config = readConfig({
    env: { BORA_PORT: String(port), BORA_DATA: folder.path },
    folder: folder.path,
  });
  await using bora = await Bora.create(config, { log: silentLog });
  await assert.rejects(bora.start(), (error) => {
    assert.ok(error instanceof CannotListen);
    assert.match(error.message, /another program has the port.*BORA_PORT/);
    return true;
  });
  await assert.rejects(Bora.create(config, { log: silentLog }), DatabaseRefused);
});

test('stopping twice is stopping once, and what was never started stops as well', async () => {
  const whole = await startWholeBora();
  await Promise.all([whole.bora.stop(), whole.bora.stop()]);
  await whole[Symbol.asyncDispose]();
  await using folder = await makeTemporaryFolder();
  const bora = await Bora.fromEnv(
    { env: { BORA_DATA: folder.path }, folder: folder.path },
    { log: silentLog },
  );
  await bora.stop();
});
