import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';
import { openEngineWorld } from './engine-world.ts';
import { failingBlobs, forwarding } from './failing-blobs.ts';
import { chatLines, failed, hang, spillAnswer, succeeded } from './scripted-upstreams.ts';

const TIMEOUT = { timeout: 60_000 };
const ROUTE = '/v1/chat/completions m';

test(
  'a shard whose input cannot be read waits with the reason, keeps what was answered and goes on',
  TIMEOUT,
  async () => {
    let isBroken = true;
    let reads = 0;
    await using world = await openEngineWorld({
      speed: 10,
      blobs: (blobs) => ({
        ...forwarding(blobs),
        async *read(name, start, end, signal) {
          reads += 1;
          let isFirst = true;
          for await (const chunk of blobs.read(name, start, end, signal)) {
            if (isBroken && !isFirst) throw new BlobMissingError(name);
            isFirst = false;
            yield chunk;
          }
        },
      }),
    });
    const batchId = await world.create([await world.upload(chatLines(16, 30_000))]);
    world.worker.start();
    const { parked, succeeded: answered } = await world.until(batchId, (batch) => batch.parked.length > 0);
    assert.match(parked[0]?.reason ?? '', /^Its input cannot be read: .* is missing/);
    assert.equal(answered, world.upstreams.sent.length);
    assert.equal(reads, 1);

    isBroken = false;
    const batch = await world.ended(batchId);
    assert.equal(batch.succeeded, 16);
    assert.equal(world.upstreams.sent.length, 16);
    assert.equal((await world.lines(batch.outputFileId)).length, 16);
  },
);

test('a large answer that the journal refuses leaves no name behind', TIMEOUT, async () => {
  let session = '';
  await using world = await openEngineWorld({
    speed: 10,
    database: (database) => ({
      ...database,
      claimShards: (claim) => {
        session = claim.session;
        return database.claimShards(claim);
      },
    }),
  });
  let isFirst = true;
  world.upstreams.answer = async (_, request) => {
    const verdict = await spillAnswer(_, request);
    if (!isFirst) return verdict;
    isFirst = false;
    // Somebody takes the shard away while the answer is on its way to the journal.
    const { shards } = await world.database.leasesOf(session);
    await world.database.releaseShards(session, shards);
    return verdict;
  };
  const batchId = await world.create([await world.upload(chatLines(1))]);
  world.worker.start();
  const batch = await world.ended(batchId);
  assert.equal(batch.succeeded, 1);
  assert.equal((await world.lines(batch.outputFileId)).length, 1);
  await world.waitFor(async () => (await world.database.collectableBlobs(0, 100)).length === 1);
});

test('results that are written anew release what was finished of them before', TIMEOUT, async () => {
  let finished = 0;
  await using world = await openEngineWorld({
    speed: 10,
    blobs: (blobs) => failingBlobs(blobs, 'finish', () => ++finished === 2),
  });
  const answer = Buffer.from(JSON.stringify('x'.repeat(20_000)));
  world.upstreams.answer = (body) => {
    const verdict = JSON.stringify(body).includes('"r1') ? failed(400) : succeeded({});
    return { ...verdict, body: answer };
  };
  const batchId = await world.create([await world.upload(chatLines(16))]);
  world.worker.start();
  const batch = await world.ended(batchId);
  assert.deepEqual([batch.succeeded, batch.failed], [9, 7]);
  assert.equal((await world.lines(batch.errorFileId)).length, 7);
  assert.equal((await world.database.collectableBlobs(0, 100)).length, 2);
});

test('a shard whose commit is refused for ever holds up no other batch', TIMEOUT, async () => {
  let refused = -1;
  await using world = await openEngineWorld({
    speed: 20,
    database: (database) => ({
      ...database,
      commitShards: (session, commits) => {
        if (refused === -1) refused = commits[0].shardId;
        return commits.some(({ shardId }) => shardId === refused)
          ? Promise.reject(new Error('refused'))
          : database.commitShards(session, commits);
      },
    }),
  });
  const first = await world.create([await world.upload(chatLines(16))]);
  world.worker.start();
  await world.waitFor(() => refused !== -1);
  const others = await Promise.all(
    [1, 2, 3].map(async () => world.create([await world.upload(chatLines(16))])),
  );
  for (const other of others) assert.equal((await world.ended(other)).state, 'completed');
  assert.equal((await world.batch(first)).succeeded, 16);
});

test('a worker stops in time though the database takes nothing any more', TIMEOUT, async () => {
  let isFull = false;
  await using world = await openEngineWorld({
    speed: 50,
    database: (database) => faultyDatabase(database, () => (isFull ? 'fail-before' : 'pass')),
  });
  world.upstreams.window = 4;
  world.upstreams.answer = () => {
    isFull = true;
    return succeeded({ ok: true });
  };
  await world.create([await world.upload(chatLines(40))]);
  world.worker.start();
  await world.waitFor(() => isFull);
  await world.worker.stop(0);
});

test('answers that wait for a slow journal hold a bounded number of bytes', TIMEOUT, async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  await using world = await openEngineWorld({
    settings: { answerBudgetBytes: 1_000_000 },
    database: (database) => ({
      ...database,
      async appendJournal(session, rows) {
        await held;
        return database.appendJournal(session, rows);
      },
    }),
  });
  world.upstreams.answer = () => succeeded({ text: 'x'.repeat(100_000) });
  const batchId = await world.create([await world.upload(chatLines(100))]);
  world.worker.start();
  await world.waitFor(() => world.upstreams.sent.length >= 10);
  // Whatever else it would send, it would have sent by the time that several other transactions have passed.
  for (let n = 0; n < 20; n++) await world.database.ping();
  assert.ok(
    world.upstreams.sent.length <= 10 + world.upstreams.window,
    `${world.upstreams.sent.length} sent`,
  );
  letGo();
  assert.equal((await world.ended(batchId)).succeeded, 100);
});

test('bad lines are read no faster than the journal takes them', TIMEOUT, async () => {
  const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
  let waiting = 0;
  let rowsWaiting = 0;
  await using world = await openEngineWorld({
    settings: { maxUnjournaled: 10 },
    database: (database) => ({
      ...database,
      async appendJournal(session, rows) {
        waiting += 1;
        rowsWaiting = Math.max(
          rowsWaiting,
          rows.reduce((sum, { outcomes }) => sum + outcomes.length, 0),
        );
        if (waiting === 1) await held;
        return database.appendJournal(session, rows);
      },
    }),
  });
  const batchId = await world.create([
    await world.upload(
      Array.from({ length: 1_000 }, () => '{}'),
      'no-index',
    ),
  ]);
  world.worker.start();
  await world.waitFor(() => waiting === 1);
  for (let n = 0; n < 20; n++) await world.database.ping();
  letGo();
  const batch = await world.ended(batchId);
  assert.equal(batch.failed, 1_000);
  assert.ok(rowsWaiting <= 10 + 16, `${rowsWaiting} at once`);
});

test(
  'requests for dead models that fill the memory give way to those that can be served',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10, settings: { requestBudgetBytes: 20_000 } });
    world.upstreams.serve([ROUTE]);
    const dead = chatLines(160, 500).map((line, at) =>
      line.replace('{"messages"', `{"model":"${at % 2 ? 'x' : 'y'}","messages"`),
    );
    const waiting = await world.create([await world.upload(dead)], {
      model: null,
      routes: null,
      timeoutMs: 60_000_000,
    });
    world.worker.start();
    await world.until(waiting, ({ state }) => state === 'running');
    const living = await world.create([await world.upload(chatLines(40))], { timeoutMs: 70_000_000 });
    assert.equal((await world.ended(living)).succeeded, 40);

    world.upstreams.serve('any');
    assert.equal((await world.ended(waiting)).succeeded, 160);
    assert.equal(world.upstreams.sent.length, 200);
  },
);

test(
  'a shard that waits for several dead models names them all, and goes on with either',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10 });
    const [x, y] = ['/v1/chat/completions x', '/v1/chat/completions y'];
    const lines = chatLines(16).map((line, at) =>
      line.replace('{"messages"', `{"model":"${at % 2 ? 'x' : 'y'}","messages"`),
    );
    const batchId = await world.create([await world.upload(lines)], { model: null, routes: null });
    world.upstreams.serve([ROUTE]);
    world.worker.start();
    const { parked } = await world.until(batchId, (batch) => batch.parked.length === 1);
    assert.deepEqual(parked, [
      { routes: [x, y], reason: `Nobody serves ${y}. Nobody serves ${x}.`, shards: 1 },
    ]);
    world.upstreams.serve([ROUTE, x]);
    await world.until(batchId, ({ succeeded: answered }) => answered === 8);
    world.upstreams.serve([ROUTE, x, y]);
    assert.equal((await world.ended(batchId)).succeeded, 16);
    assert.equal(world.upstreams.sent.length, 16);
  },
);

test('a batch that is cancelled while its claim is under way is not sent', TIMEOUT, async () => {
  let cancel = async (): Promise<void> => {};
  await using world = await openEngineWorld({
    reachStopPoint: (point) => (point === 'claim.committed' ? cancel() : undefined),
  });
  const batchId = await world.create([await world.upload(chatLines(40))]);
  cancel = async () => void (await world.database.cancelBatch(world.workspaceId, batchId));
  world.upstreams.answer = (_body, _request, signal) => hang(signal);
  world.worker.start();
  assert.equal((await world.ended(batchId)).state, 'cancelled');
  assert.equal(world.upstreams.sent.length, 0);
});
