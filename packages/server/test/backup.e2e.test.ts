import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { answerOf, createJob, INPUT, MODEL, REQUESTS, wrongResults } from '@bora/testkit/power/requests';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { systemClock } from '../src/observe/clock.ts';
import { backUpDataFolder, inspectDataFolder } from '../src/data-folder.ts';

const OPTIONS = { timeout: 60_000 };

test(
  'backed up while jobs run, and restored: files have the same bytes, and running jobs go on',
  OPTIONS,
  async () => {
    await using folder = await makeTemporaryFolder();
    const [backup, restored] = [join(folder.path, 'backup'), join(folder.path, 'restored')];
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    await using upstream = await startUpstream((sent) => (sent > REQUESTS + 8 ? held : undefined));
    await using bora = await start(upstream);
    const fileId = await upload(bora);
    const ended = await until(
      bora,
      (await createJob(bora.client, fileId)).id,
      (job) => job.completed_at !== null,
    );
    const running = await createJob(bora.client, fileId);
    await until(bora, running.id, (job) => job.completed_requests > 0);

    const { objects, copied } = await backUpDataFolder(bora.dataFolder, backup);
    assert.ok(objects > 3);
    assert.equal(copied, objects);
    assert.deepEqual((await inspectDataFolder(backup)).damages, []);

    await cp(backup, restored, { recursive: true });
    const { completed_requests: heldThen } = await bora.client.jobs.get(running.id);
    const sentBefore = upstream.requests.length;
    await bora.bora.stop();
    letGo();
    await using again = await start(upstream, restored);
    assert.equal(await contentOf(again, fileId), INPUT);
    assert.deepEqual(await wrongResults(again.client, await again.client.jobs.get(ended.id)), []);
    const done = await until(again, running.id, (job) => job.completed_at !== null);
    assert.deepEqual(await wrongResults(again.client, done), []);
    // What the back-up held is not asked for again.
    assert.ok(upstream.requests.length - sentBefore <= REQUESTS - heldThen + 8);
  },
);

test('a later back-up copies only what is new, and forgets what is gone', OPTIONS, async () => {
  await using folder = await makeTemporaryFolder();
  await using upstream = await startUpstream();
  await using bora = await start(upstream);
  const first = await upload(bora);
  assert.deepEqual(await backUpDataFolder(bora.dataFolder, folder.path), {
    objects: 1,
    copied: 1,
    copiedBytes: INPUT.length,
  });
  const second = await upload(bora);
  assert.deepEqual(await backUpDataFolder(bora.dataFolder, folder.path), {
    objects: 2,
    copied: 1,
    copiedBytes: INPUT.length,
  });
  await bora.client.files.delete(first);
  while ((await backUpDataFolder(bora.dataFolder, folder.path)).objects > 1) await systemClock.sleep(20);
  assert.deepEqual((await inspectDataFolder(folder.path)).damages, []);
  await bora.bora.stop();
  await using again = await start(upstream, folder.path);
  assert.equal(await contentOf(again, second), INPUT);
});

test('what is deleted while it is copied is in the back-up all the same', OPTIONS, async () => {
  await using folder = await makeTemporaryFolder();
  await using upstream = await startUpstream();
  await using bora = await start(upstream);
  const ids = [await upload(bora), await upload(bora), await upload(bora)];
  const deleted: Promise<unknown>[] = [];
  await backUpDataFolder(bora.dataFolder, folder.path, {
    onProgress(done) {
      if (done === 1) deleted.push(...ids.map((id) => bora.client.files.delete(id)));
    },
  });
  assert.equal(deleted.length, 3);
  await Promise.all(deleted);
  assert.deepEqual((await inspectDataFolder(folder.path)).damages, []);
  await using again = await start(upstream, folder.path);
  for (const id of ids) assert.equal(await contentOf(again, id), INPUT);
});

test(
  'a back-up that is broken off, or finds bytes gone, leaves the earlier one as it was',
  OPTIONS,
  async () => {
    await using folder = await makeTemporaryFolder();
    await using upstream = await startUpstream();
    await using bora = await start(upstream);
    const first = await upload(bora);
    await backUpDataFolder(bora.dataFolder, folder.path);
    const before = await readFile(join(folder.path, 'bora.sqlite'));
    await upload(bora);
    await upload(bora);
    const stop = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 1) stop.abort(new Error('enough'));
    };
    await assert.rejects(
      backUpDataFolder(bora.dataFolder, folder.path, { onProgress }, stop.signal),
      /enough/,
    );
    assert.deepEqual(await readFile(join(folder.path, 'bora.sqlite')), before);

    const there = new Set(await objectsOf(folder.path));
    const [lost = ''] = (await objectsOf(bora.dataFolder)).filter((object) => !there.has(object));
    await rm(join(bora.dataFolder, 'blobs/objects', lost));
    await assert.rejects(backUpDataFolder(bora.dataFolder, folder.path), {
      code: 'backup_incomplete',
      message: /^1 objects .* stay for an hour/,
    });
    assert.deepEqual(await readFile(join(folder.path, 'bora.sqlite')), before);
    await bora.bora.stop();
    await using again = await start(upstream, folder.path);
    assert.equal(await contentOf(again, first), INPUT);
  },
);

test(
  'a folder that holds something else, or that a Bora runs on, is no place for a back-up',
  OPTIONS,
  async () => {
    await using folder = await makeTemporaryFolder();
    await using upstream = await startUpstream();
    await using bora = await start(upstream);
    await assert.rejects(backUpDataFolder(bora.dataFolder, bora.dataFolder), { code: 'backup_folder_taken' });
    await assert.rejects(backUpDataFolder(folder.path, join(folder.path, 'b')), {
      code: 'data_folder_missing',
    });
    await writeFile(join(folder.path, 'mine'), '');
    await assert.rejects(backUpDataFolder(bora.dataFolder, folder.path), { code: 'backup_folder_taken' });
    await using other = await makeTemporaryFolder();
    await backUpDataFolder(bora.dataFolder, other.path);
    await using onIt = await start(upstream, other.path);
    await assert.rejects(backUpDataFolder(bora.dataFolder, onIt.dataFolder), { code: 'data_folder_in_use' });
  },
);

function startUpstream(
  mayAnswer: (sent: number) => Promise<void> | undefined = () => undefined,
): Promise<ScriptedUpstream> {
  let sent = 0;
  return startScriptedUpstream([MODEL], async (request) => {
    await mayAnswer(++sent);
    return answerOf(request);
  });
}

function start(upstream: ScriptedUpstream, dataFolder?: string): Promise<WholeBora> {
  return startWholeBora({
    upstreams: [upstream.url],
    env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '4', BORA_STOP_GRACE_SECONDS: '0' },
    ...(dataFolder === undefined ? {} : { dataFolder }),
  });
}

async function upload({ client }: WholeBora): Promise<string> {
  return (await client.files.upload(new Blob([INPUT]), { filename: 'a.jsonl' })).id;
}

async function contentOf({ client }: WholeBora, fileId: string): Promise<string> {
  return new Response(await client.files.content(fileId)).text();
}

async function until(
  { client }: WholeBora,
  jobId: string,
  holds: (job: BatchJob) => boolean,
): Promise<BatchJob> {
  for (;;) {
    const job = await client.jobs.get(jobId);
    if (holds(job)) return job;
    await systemClock.sleep(5);
  }
}

async function objectsOf(dataFolder: string): Promise<string[]> {
  const folder = join(dataFolder, 'blobs/objects');
  const entries = await readdir(folder, { recursive: true });
  return entries.filter((path) => path.includes('/'));
}
