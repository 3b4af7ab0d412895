import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failingBlobs } from './failing-blobs.ts';
import { openEngineWorld } from './engine-world.ts';
import { chatLines, spillAnswer, succeeded } from './scripted-upstreams.ts';

const TIMEOUT = { timeout: 60_000 };

for (const step of ['create', 'write', 'finish'] as const) {
  test(
    `a large answer that cannot be stored is asked for again, and its name released: ${step}`,
    TIMEOUT,
    async () => {
      let failures = 3;
      await using world = await openEngineWorld({
        speed: 20,
        blobs: (blobs) => failingBlobs(blobs, step, () => failures-- > 0),
      });
      world.upstreams.answer = spillAnswer;
      const batchId = await world.create([await world.upload(chatLines(8))]);
      world.worker.start();
      const batch = await world.ended(batchId);
      assert.equal(batch.succeeded, 8);
      assert.equal((await world.lines(batch.outputFileId)).length, 8);
      assert.equal(world.upstreams.sent.length, 8 + 3);
      // Those of the three, and that of the test which found the storage well.
      assert.equal((await world.database.collectableBlobs(0, 100)).length, 3 + 1);
    },
  );
}

test('while the disk is full no answer is bought again, and other batches go on', TIMEOUT, async () => {
  let isFull = true;
  let refused = 0;
  await using world = await openEngineWorld({
    speed: 50,
    blobs: (blobs) => failingBlobs(blobs, 'create', () => isFull && ++refused > 0),
  });
  world.upstreams.answer = (body, request) =>
    body.model === 'small' ? succeeded({ ok: true }) : spillAnswer(body, request);
  const large = await world.create([await world.upload(chatLines(64))]);
  world.worker.start();
  const { parked } = await world.until(large, (batch) => batch.parked.length > 0);
  assert.equal(parked[0]?.reason, 'Answers cannot be stored: No room to create.');
  const small = await world.create([await world.upload(chatLines(64))], { model: 'small' });
  assert.equal((await world.ended(small)).succeeded, 64);

  const bought = world.upstreams.sent.filter(({ model }) => model === 'm').length;
  // Places that the first failures set free are taken before the failures are known.
  assert.ok(bought <= 2 * world.upstreams.window, `${bought} bought`);
  const tests = refused;
  await world.waitFor(() => refused >= tests + 5);
  assert.equal(world.upstreams.sent.length, bought + 64);
  assert.notDeepEqual((await world.batch(large)).parked, []);

  isFull = false;
  assert.equal((await world.ended(large)).succeeded, 64);
  assert.equal(world.upstreams.sent.length, bought + 64 + 64);
});

test('a disk that takes the test and no answer costs one answer per wait', TIMEOUT, async () => {
  let isRefusing = true;
  let tests = 0;
  await using world = await openEngineWorld({
    speed: 50,
    blobs: (blobs) =>
      failingBlobs(blobs, 'finish', (bytes) => {
        if (bytes === 256 * 1024) tests += 1;
        return isRefusing && bytes > 256 * 1024;
      }),
  });
  world.upstreams.answer = spillAnswer;
  const batchId = await world.create([await world.upload(chatLines(64))]);
  world.worker.start();
  await world.waitFor(() => tests >= 5);
  const { window, sent } = world.upstreams;
  assert.ok(sent.length <= 2 * window + tests, `${sent.length} sent in ${tests} trials`);

  isRefusing = false;
  assert.equal((await world.ended(batchId)).succeeded, 64);
  assert.ok(sent.length <= 64 + 2 * window + tests, `${sent.length} sent in ${tests} trials`);
});

test(
  'one answer that can never be kept is bought ever more seldom and holds up no other',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 100 });
    const isLost = (body: object): boolean => JSON.stringify(body).includes('"r3"');
    world.upstreams.answer = (body) => {
      if (isLost(body)) throw new Error('a defect of ours');
      return succeeded({ ok: true });
    };
    const batchId = await world.create([await world.upload(chatLines(64))]);
    world.worker.start();
    const { succeeded: answered, parked } = await world.until(
      batchId,
      (batch) => batch.succeeded === 63 && batch.parked.length > 0,
    );
    assert.equal(answered, 63);
    assert.equal(parked[0]?.reason, 'Answers cannot be stored: a defect of ours');
    assert.equal(new Set(world.upstreams.sent.map((body) => JSON.stringify(body))).size, 64);
    assert.equal(world.upstreams.sent.filter((body) => !isLost(body)).length, 63);
  },
);

test('a batch that waits for the storage can be cancelled and keeps what it has', TIMEOUT, async () => {
  await using world = await openEngineWorld({
    speed: 20,
    blobs: (blobs) => failingBlobs(blobs, 'create', () => true),
  });
  world.upstreams.answer = (body, request) =>
    JSON.stringify(body).includes('"r0"') ? spillAnswer(body, request) : succeeded({ ok: true });
  const batchId = await world.create([await world.upload(chatLines(16))]);
  world.worker.start();
  const { succeeded: answered } = await world.until(batchId, (batch) => batch.parked.length > 0);
  await world.database.cancelBatch(world.workspaceId, batchId);
  const batch = await world.ended(batchId);
  assert.deepEqual([batch.state, batch.succeeded], ['cancelled', answered]);
});

test('while the database has no room sending pauses, and no answer is bought again', TIMEOUT, async () => {
  let refusals = 0;
  let isFull = true;
  await using world = await openEngineWorld({
    speed: 50,
    settings: { maxUnjournaled: 16 },
    database: (database) => ({
      ...database,
      appendJournal(session, rows) {
        if (!isFull) return database.appendJournal(session, rows);
        refusals += 1;
        return Promise.reject(new Error('database or disk is full'));
      },
    }),
  });
  const batchId = await world.create([await world.upload(chatLines(64))]);
  world.worker.start();
  await world.waitFor(() => refusals >= 10);
  const { sent, window } = world.upstreams;
  assert.ok(sent.length <= 16 + window, `${sent.length} sent`);

  isFull = false;
  assert.equal((await world.ended(batchId)).succeeded, 64);
  assert.equal(sent.length, 64);
});
