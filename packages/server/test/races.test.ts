import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { Collector } from '../src/files/collector.ts';
import { readFileRange } from '../src/files/content.ts';
import { systemClock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import type { BatchRecord } from '../src/storage/ports/batch-records.ts';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { ListedFile } from '../src/storage/ports/file-records.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';
import { openEngineWorld } from './engine-world.ts';
import type { EngineWorld } from './engine-world.ts';
import { Gates } from './gates.ts';
import type { Gate } from './gates.ts';
import { chatLines, succeeded } from './scripted-upstreams.ts';

const OPTIONS = { timeout: 60_000 };
/** One shard, whose results are too large to lie in the database, and to be read at once. */
const REQUESTS = 16;
const LARGE = { text: 'x'.repeat(30_000) };
const HOUR_MS = 3_600_000;

interface Race extends EngineWorld {
  readonly gates: Gates;
  readonly blobs: BlobStore;
  /** Names of the blobs of results that were begun. */
  readonly written: readonly string[];
  readonly batchId: string;
  /** Puts the clock behind the batch's deadline. */
  passDeadline(): void;
}

/** A batch, and a worker that has not started. */
async function startRace(requests = REQUESTS): Promise<Race> {
  const gates = new Gates();
  let ahead = 0;
  const written: string[] = [];
  let blobs: BlobStore | null = null;
  const world = await openEngineWorld({
    speed: 20,
    ahead: () => ahead,
    reachStopPoint: gates.reachStopPoint,
    blobs(opened) {
      blobs = opened;
      const create: BlobStore['create'] = (name) => {
        written.push(name);
        return opened.create(name);
      };
      return { ...opened, create };
    },
  });
  world.upstreams.answer = () => succeeded(LARGE);
  const input = await world.upload(chatLines(requests));
  const batchId = await world.create([input], { timeoutMs: HOUR_MS });
  const passDeadline = (): void => void (ahead = HOUR_MS + 1);
  return {
    ...world,
    gates,
    blobs: blobs!,
    written,
    batchId,
    passDeadline,
    async [Symbol.asyncDispose]() {
      gates.letAllGo();
      await world[Symbol.asyncDispose]();
    },
  };
}

/** Declares everybody dead who is there, as if they had been silent for too long. */
async function buryAll({ database }: EngineWorld): Promise<void> {
  assert.ok((await database.burySilentSessions(-1)) > 0);
}

async function withAnother(race: Race, work: () => Promise<void>): Promise<void> {
  const worker = race.another();
  worker.start();
  try {
    await work();
  } catch (error) {
    race.gates.letAllGo();
    throw error;
  } finally {
    await worker.stop(0);
  }
}

/** One line per request, in input order, in one file that is there. */
async function assertWhole(world: EngineWorld, batch: BatchRecord, lines = REQUESTS): Promise<void> {
  assert.deepEqual([batch.succeeded, batch.failed], [lines, 0]);
  assert.deepEqual(
    (await world.lines(batch.outputFileId)).map(({ custom_id: id }) => id),
    Array.from({ length: lines }, (_, at) => `r${at}`),
  );
}

/** Written blobs that nobody owns any more, whose bytes are going to be deleted. */
async function released({ database, written }: Race): Promise<string[]> {
  const names = (await database.collectableBlobs(-HOUR_MS, 1_000)).map(({ name }) => name);
  return written.filter((name) => names.includes(name));
}

/** Once the purge is through: one file with all results, and nothing else. */
async function assertFileOfDeleted(race: Race, purged: Gate): Promise<void> {
  await purged.reached;
  purged.letGo();
  const [output, ...others] = await resultFiles(race);
  assert.deepEqual([(await race.lines(output.id)).length, others], [REQUESTS, []]);
  assert.deepEqual(await released(race), []);
  assert.equal(race.upstreams.sent.length, REQUESTS);
}

async function resultFiles({ database, workspaceId }: EngineWorld): Promise<ListedFile[]> {
  const { files } = await database.listFiles(workspaceId, {
    viewer: null,
    page: 0,
    pageSize: 100,
    includeTotal: false,
  });
  return files.filter(({ source }) => source !== 'upload');
}

describe('a worker that is declared dead and wakes', OPTIONS, () => {
  it('before its answers are journaled: they are refused, and bought by who took over', async () => {
    await using race = await startRace();
    const answered = race.gates.hold('dispatch.answered', REQUESTS - 1);
    race.worker.start();
    await answered.reached;
    await buryAll(race);
    await withAnother(race, async () => {
      await assertWhole(race, await race.ended(race.batchId));
      answered.letGo();
    });
    const next = await race.create([await race.upload(chatLines(REQUESTS))]);
    await assertWhole(race, await race.ended(next));
    assert.ok(race.upstreams.sent.length <= 3 * REQUESTS, `${race.upstreams.sent.length} sent`);
  });

  it('before anybody took over: it goes on in a new session', async () => {
    await using race = await startRace();
    const answered = race.gates.hold('dispatch.answered', REQUESTS - 1);
    race.worker.start();
    await answered.reached;
    await buryAll(race);
    answered.letGo();
    await assertWhole(race, await race.ended(race.batchId));
    assert.ok(race.upstreams.sent.length <= 2 * REQUESTS, `${race.upstreams.sent.length} sent`);
  });

  it('while it writes results: another commits, its own are refused and collected', async () => {
    await using race = await startRace();
    const written = race.gates.hold('commit.after-blobs');
    race.worker.start();
    await written.reached;
    await buryAll(race);
    await withAnother(race, async () => assertWhole(race, await race.ended(race.batchId)));
    written.letGo();
    await race.worker.stop(0);
    await assertWhole(race, await race.batch(race.batchId));
    assert.deepEqual(await released(race), race.written.slice(0, 1));
    assert.equal(race.written.length, 2);
  });

  it('while another writes the same results: its own, which come first, are refused', async () => {
    await using race = await startRace();
    race.upstreams.answer = () => succeeded({ small: true });
    const written = race.gates.hold('commit.after-blobs');
    race.worker.start();
    await written.reached;
    await buryAll(race);
    const byAnother = race.gates.hold('commit.after-blobs');
    await withAnother(race, async () => {
      await byAnother.reached;
      written.letGo();
      await race.worker.stop(0);
      assert.equal((await race.batch(race.batchId)).succeeded, 0);
      byAnother.letGo();
      await assertWhole(race, await race.ended(race.batchId));
    });
  });

  it('after it committed: nothing is sent again, and another finishes', async () => {
    await using race = await startRace();
    const finalise = race.gates.hold('finalise.claimed');
    race.worker.start();
    await finalise.reached;
    await buryAll(race);
    await withAnother(race, async () => assertWhole(race, await race.ended(race.batchId)));
    finalise.letGo();
    await race.worker.stop(0);
    await assertWhole(race, await race.batch(race.batchId));
    assert.equal((await resultFiles(race)).length, 1);
    assert.equal(race.upstreams.sent.length, REQUESTS);
  });
});

describe('a cancel', OPTIONS, () => {
  it('before the last answer is journaled: the answer is kept, and the job is cancelled', async () => {
    await using race = await startRace();
    const last = race.gates.hold('dispatch.answered', REQUESTS - 1);
    race.worker.start();
    await last.reached;
    assert.equal((await race.database.cancelBatch(race.workspaceId, race.batchId))?.state, 'cancelling');
    last.letGo();
    const batch = await race.ended(race.batchId);
    assert.equal(batch.state, 'cancelled');
    await assertWhole(race, batch);
    assert.equal(race.upstreams.sent.length, REQUESTS);
  });

  it('while the last results are written: they are kept, and the job is cancelled', async () => {
    await using race = await startRace();
    const written = race.gates.hold('commit.after-blobs');
    race.worker.start();
    await written.reached;
    assert.equal((await race.database.cancelBatch(race.workspaceId, race.batchId))?.state, 'cancelling');
    written.letGo();
    const batch = await race.ended(race.batchId);
    assert.equal(batch.state, 'cancelled');
    await assertWhole(race, batch);
  });

  it('after the last result: it changes nothing', async () => {
    await using race = await startRace();
    const finalise = race.gates.hold('finalise.claimed');
    race.worker.start();
    await finalise.reached;
    assert.equal((await race.database.cancelBatch(race.workspaceId, race.batchId))?.state, 'finalizing');
    finalise.letGo();
    const batch = await race.ended(race.batchId);
    assert.equal(batch.state, 'completed');
    await assertWhole(race, batch);
  });
});

describe('an expiry', OPTIONS, () => {
  it('while results are written: they are kept, and the job is expired', async () => {
    await using race = await startRace();
    const written = race.gates.hold('commit.after-blobs');
    const expired = race.gates.hold('expire.committed');
    race.worker.start();
    await written.reached;
    race.passDeadline();
    await expired.reached;
    expired.letGo();
    written.letGo();
    const batch = await race.ended(race.batchId);
    assert.equal(batch.state, 'expired');
    await assertWhole(race, batch);
    assert.equal(race.upstreams.sent.length, REQUESTS);
  });

  it('that nobody has heard of when the commit is through: the job is expired with all it has', async () => {
    await using race = await startRace();
    const written = race.gates.hold('commit.after-blobs');
    const expired = race.gates.hold('expire.committed');
    race.worker.start();
    await written.reached;
    race.passDeadline();
    await expired.reached;
    written.letGo();
    const batch = await race.ended(race.batchId);
    expired.letGo();
    assert.equal(batch.state, 'expired');
    await assertWhole(race, batch);
  });

  it('after the commit: it changes nothing', async () => {
    await using race = await startRace();
    const finalise = race.gates.hold('finalise.claimed');
    race.worker.start();
    await finalise.reached;
    race.passDeadline();
    assert.deepEqual(await race.database.expireBatches(100), []);
    finalise.letGo();
    const batch = await race.ended(race.batchId);
    assert.equal(batch.state, 'completed');
    await assertWhole(race, batch);
  });
});

describe('a delete', OPTIONS, () => {
  it('while the job is finalised: it is gone at once, and its result files are whole, as after it', async () => {
    await using race = await startRace();
    const finalise = race.gates.hold('finalise.claimed');
    const purged = race.gates.hold('delete.purged');
    race.worker.start();
    await finalise.reached;
    assert.equal(await race.database.deleteBatch(race.workspaceId, race.batchId), true);
    assert.equal(await race.database.getBatch(race.workspaceId, race.batchId), null);
    finalise.letGo();
    await assertFileOfDeleted(race, purged);
  });

  it('while the last results are written: it is gone at once, and they are kept in its file', async () => {
    await using race = await startRace();
    const written = race.gates.hold('commit.after-blobs');
    const purged = race.gates.hold('delete.purged');
    race.worker.start();
    await written.reached;
    assert.equal(await race.database.deleteBatch(race.workspaceId, race.batchId), true);
    assert.equal(await race.database.getBatch(race.workspaceId, race.batchId), null);
    written.letGo();
    await assertFileOfDeleted(race, purged);
  });

  it('after it: its result files stay', async () => {
    await using race = await startRace();
    const purged = race.gates.hold('delete.purged');
    race.worker.start();
    const batch = await race.ended(race.batchId);
    assert.equal(await race.database.deleteBatch(race.workspaceId, race.batchId), true);
    await purged.reached;
    purged.letGo();
    await assertWhole(race, batch);
  });
});

describe('a slow reader of results', OPTIONS, () => {
  it('reads on after the file was deleted; when its bytes go an hour later it is told, and not given a shorter file', async () => {
    await using race = await startRace(2 * REQUESTS);
    race.worker.start();
    const { outputFileId } = await race.ended(race.batchId);
    const { id, bytes } = (await race.database.getFile(race.workspaceId, outputFileId!, null))!;
    const [inTime, tooLate] = [readFileRange(race, id, 0, bytes), readFileRange(race, id, 0, bytes)];
    let read = (await inTime.next()).value!.length;
    await tooLate.next();

    const purged = race.gates.hold('delete.purged');
    assert.equal(await race.database.deleteFile(race.workspaceId, id), true);
    await purged.reached;
    purged.letGo();
    await new Collector({ ...race, clock: systemClock, log: silentLog }).runOnce();
    for await (const chunk of inTime) read += chunk.length;
    assert.equal(read, bytes);

    for (const name of await released(race)) await race.blobs.remove(name);
    await assert.rejects(async () => {
      while (!(await tooLate.next()).done);
    }, BlobMissingError);
  });
});

describe('two starts on one folder at the same moment', OPTIONS, () => {
  it('are one start and one refusal, whoever comes first', async () => {
    for (let round = 0; round < 5; round++) {
      await using folder = await makeTemporaryFolder();
      const start = (): ReturnType<typeof openSqliteDatabase> =>
        openSqliteDatabase({ folder: folder.path, clock: systemClock });
      const starts = await Promise.allSettled([start(), start()]);
      const [started, ...others] = starts.filter((each) => each.status === 'fulfilled');
      const [refused] = starts.filter((each) => each.status === 'rejected');
      assert.equal(others.length, 0);
      assert.equal((refused.reason as { code: string }).code, 'data_folder_in_use');
      await started.value.defaultWorkspace();
      await started.value[Symbol.asyncDispose]();
      await using again = await start();
      await again.defaultWorkspace();
    }
  });
});
