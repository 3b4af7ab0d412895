import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { answerOf, createJob, INPUT, MODEL, REQUESTS, wrongResults } from '@bora/testkit/power/requests';
import { quickened } from '@bora/testkit/quickened-clock';
import { startScriptedUpstream } from '@bora/testkit/scripted-upstream';
import type { ScriptedUpstream } from '@bora/testkit/scripted-upstream';
import { SimulatedDisk } from '@bora/testkit/simulated-disk';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora, WholeBoraOptions } from '@bora/testkit/whole-bora';
import { systemClock } from '../src/observe/clock.ts';

const MIB = 1024 * 1024;
const OPTIONS = { timeout: 300_000 };

describe('the disk fails once between an upload and its results', OPTIONS, () => {
  for (const [code, refusal] of [
    ['ENOSPC', { status: 507, code: 'disk_full' }],
    ['EIO', { status: 500, code: 'disk_failed' }],
  ] as const) {
    it(`with ${code} at any change: an upload is refused and leaves nothing, a job goes on`, async () => {
      const disk = new SimulatedDisk();
      await using world = await openWorld(disk);
      let refused = 0;
      let changes = Infinity;
      for (let nth = 1; nth <= changes; nth++) {
        const objects = await objectsOf(disk);
        const start = disk.log.length;
        const startChanges = disk.changes;
        const sent = world.upstream.requests.length;
        disk.injectFault({ nth, code });
        let fileId = await world.upload().catch((error: { status?: number; code?: string }) => {
          assert.deepEqual({ status: error.status, code: error.code }, refusal);
          return null;
        });
        if (fileId === null) {
          refused += 1;
          assert.equal((await world.bora.client.files.list()).data.length, 0);
          assert.deepEqual(await objectsOf(disk), objects);
          fileId = await world.upload();
        }
        const { id } = await createJob(world.bora.client, fileId);
        const job = await world.ended(id);
        assert.deepEqual(await wrongResults(world.bora.client, job), [], `${code} at change ${nth}`);
        // Only a large answer that could not be stored is asked for again, and what was in flight beside it.
        assert.ok(world.upstream.requests.length <= sent + REQUESTS + 2);
        assertNotTriedAgain(disk, start, nth);
        await world.deleteAll(job);
        changes = disk.changes - startChanges;
      }
      assert.ok(refused >= 5, `only ${refused} uploads were refused`);
      assert.deepEqual(await disk.list('writing'), []);
    });
  }
});

describe('the disk is full for a while', OPTIONS, () => {
  it('below the floor nothing is taken or sent, what is in flight is stored, and the job says why it waits', async () => {
    const disk = new SimulatedDisk({ capacity: 100 * MIB });
    const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
    await using world = await openWorld(disk, { env: { BORA_MIN_FREE_BYTES: '20MiB' }, held });
    const fileId = await world.upload();
    const { id } = await createJob(world.bora.client, fileId);
    await world.upstream.received(1);

    disk.setCapacity(15 * MIB);
    const [reason = ''] = waitingOf(await world.until(id, (job) => waitingOf(job).length > 0));
    assert.match(
      reason,
      /^Only 14 MiB are free on the disk of the data folder; requests are sent from 20 MiB on\. Delete files/,
    );
    const sent = world.upstream.requests.length;
    letGo();
    await world.until(id, (job) => job.completed_requests === sent);
    await assert.rejects(world.upload(), { status: 507, code: 'disk_full' });
    assert.equal((await fetch(`${world.bora.url}/readyz`)).status, 503);
    assert.equal(world.upstream.requests.length, sent);

    disk.setCapacity(100 * MIB);
    const job = await world.ended(id);
    assert.deepEqual(await wrongResults(world.bora.client, job), []);
    assert.equal(world.upstream.requests.length, REQUESTS);
    assert.deepEqual(waitingOf(job), []);
  });

  it('without any room for results the job says why it waits, and goes on', async () => {
    const disk = new SimulatedDisk();
    await using world = await openWorld(disk, { env: { BORA_MIN_FREE_BYTES: '0' } });
    const fileId = await world.upload();
    disk.setCapacity(0);
    const { id } = await createJob(world.bora.client, fileId);
    const [reason = ''] = waitingOf(await world.until(id, (job) => waitingOf(job).length > 0));
    assert.match(reason, /no room is left on the disk of the data folder/);

    disk.setCapacity(100 * MIB);
    assert.deepEqual(await wrongResults(world.bora.client, await world.ended(id)), []);
  });

  it('without any room for the database the job says why it waits, uploads are refused, and no answer is bought again', async () => {
    await using world = await openWorld(new SimulatedDisk(), {
      overrides: { sqlite: { storeVariant: new URL('./full-database.ts', import.meta.url) } },
    });
    const marker = join(world.bora.dataFolder, 'full');
    const fileId = await world.upload();
    await writeFile(marker, '');
    const { id } = await createJob(world.bora.client, fileId);
    const [reason = ''] = waitingOf(await world.until(id, (job) => waitingOf(job).length > 0));
    assert.match(
      reason,
      /^(Answers cannot be journaled|Results cannot be committed): no room is left on the disk of the data folder/,
    );
    // Small enough to lie in the database, and too large for the pages that it has.
    const small = new Blob(['x'.repeat(60_000)]);
    await assert.rejects(world.bora.client.files.upload(small, { filename: 'a.pdf', purpose: 'ocr' }), {
      status: 507,
      code: 'disk_full',
    });

    await rm(marker);
    assert.deepEqual(await wrongResults(world.bora.client, await world.ended(id)), []);
    assert.equal(world.upstream.requests.length, REQUESTS);
  });
});

describe('the database fails during an upload', OPTIONS, () => {
  for (const [method, fate, failures, status, files] of [
    ['reserveBlobs', 'fail-before', 1, 500, 0],
    ['reserveBlobs', 'fail-after-commit', 1, 500, 0],
    ['createFile', 'fail-before', 1, 200, 1],
    ['createFile', 'fail-after-commit', 1, 200, 1],
    ['createFile', 'fail-before', 2, 500, 0],
    // Nobody who is told of a failure knows whether it happened all the same.
    ['createFile', 'fail-after-commit', 2, 500, 1],
  ] as const) {
    it(`${method}, ${fate}, ${failures} times: the file is whole, or not there`, async () => {
      let left = failures;
      await using world = await openWorld(new SimulatedDisk(), {
        overrides: {
          database: (database) =>
            faultyDatabase(database, (called) => (called === method && left-- > 0 ? fate : 'pass')),
        },
      });
      const { client } = world.bora;
      const answered = await world.upload().then(
        () => 200,
        (error: { status?: number }) => error.status,
      );
      assert.equal(answered, status);
      assert.ok(left <= 0);
      assert.equal((await client.files.list()).data.length, files);
      await world.upload();
      for (const { id } of (await client.files.list()).data) {
        assert.equal(await new Response(await client.files.content(id)).text(), INPUT);
      }
    });
  }
});

interface World extends AsyncDisposable {
  readonly bora: WholeBora;
  readonly upstream: ScriptedUpstream;
  upload(): Promise<string>;
  until(jobId: string, test: (job: BatchJob) => boolean): Promise<BatchJob>;
  ended(jobId: string): Promise<BatchJob>;
  deleteAll(job: BatchJob): Promise<void>;
}

/** A whole Bora on a simulated disk whose waits between retries are short. Answers come once `held` resolves. */
async function openWorld(
  disk: SimulatedDisk,
  { env, overrides, held }: Pick<WholeBoraOptions, 'env' | 'overrides'> & { held?: Promise<void> } = {},
): Promise<World> {
  await using opening = new AsyncDisposableStack();
  const upstream = opening.use(
    await startScriptedUpstream([MODEL], async (request) => {
      await held;
      return answerOf(request);
    }),
  );
  const bora = opening.use(
    await startWholeBora({
      upstreams: [upstream.url],
      env: { BORA_UPSTREAM_MAX_IN_FLIGHT: '2', ...env },
      overrides: { clock: quickened(systemClock, 20), disk: () => disk, ...overrides },
    }),
  );
  const { client } = bora;
  const until: World['until'] = async (jobId, test) => {
    for (;;) {
      const job = await client.jobs.get(jobId);
      if (test(job)) return job;
      await systemClock.sleep(5);
    }
  };
  const opened = opening.move();
  return {
    bora,
    upstream,
    upload: async () => (await client.files.upload(new Blob([INPUT]), { filename: 'a.jsonl' })).id,
    until,
    ended: (jobId) => until(jobId, ({ completed_at: completed }) => completed !== null),
    async deleteAll({ id, input_files: inputs, output_file: output, error_file: errors }) {
      await client.jobs.delete(id);
      for (const file of [...inputs, output, errors]) if (file !== null) await client.files.delete(file);
    },
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function waitingOf(job: BatchJob): readonly string[] {
  return job.bora?.waiting ?? [];
}

async function objectsOf(disk: SimulatedDisk): Promise<string[]> {
  const folders = await disk.list('objects');
  return (await Promise.all(folders.map((folder) => disk.list(`objects/${folder}`)))).flat().toSorted();
}

/** Whatever failed on a file, nothing more is done with it but to remove it: a second sync may succeed and prove nothing. */
function assertNotTriedAgain(disk: SimulatedDisk, start: number, nth: number): void {
  const changing = disk.log
    .slice(start)
    .filter(({ operation }) => !['open', 'read', 'list', 'freeBytes'].includes(operation));
  const failed = changing[nth - 1];
  if (failed === undefined || failed.operation === 'syncFolder') return;
  const after = changing.slice(nth).filter(({ path }) => path === failed.path);
  assert.deepEqual(
    after.filter(({ operation }) => operation !== 'remove'),
    [],
    `after ${failed.operation} failed`,
  );
}
