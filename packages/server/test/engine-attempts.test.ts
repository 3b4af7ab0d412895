import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import type { Verdict } from '../src/upstreams/upstreams.ts';
import { openEngineWorld, type EngineWorld } from './engine-world.ts';
import { chatLines, hang, succeeded, type SentBody } from './scripted-upstreams.ts';

const TIMEOUT = { timeout: 60_000 };

function retry(held: 'counted' | 'crashed', afterMs: number): Verdict {
  return {
    kind: 'retry',
    afterMs,
    countsAgainstLine: held === 'counted',
    crashed: held === 'crashed',
    reason: 'r',
  };
}

function isLine(body: SentBody, name: string): boolean {
  return JSON.stringify(body).includes(`"${name}"`);
}

for (const held of ['counted', 'crashed'] as const) {
  test(
    `attempts that were ${held} are remembered by the next worker, though writing them down fails at first`,
    TIMEOUT,
    async () => {
      let failures = 2;
      await using world = await openEngineWorld({
        speed: 20,
        database: (database) =>
          faultyDatabase(database, (method) =>
            method === 'recordAttempts' && failures-- > 0 ? 'fail-before' : 'pass',
          ),
      });
      const seen: number[] = [];
      world.upstreams.answer = (body, { faults, crashes }, signal) => {
        if (!isLine(body, 'r3')) return succeeded({});
        seen.push(held === 'counted' ? faults : crashes);
        return seen.length === 3 ? hang(signal) : retry(held, 1);
      };
      const batchId = await world.create([await world.upload(chatLines(8))]);
      world.worker.start();
      await world.waitFor(() => seen.length === 3);
      await world.worker.stop(0);

      world.upstreams.answer = (body, { faults, crashes }) => {
        if (isLine(body, 'r3')) seen.push(held === 'counted' ? faults : crashes);
        return succeeded({});
      };
      const second = world.another();
      second.start();
      const batch = await world.ended(batchId);
      await second.stop(0);
      assert.deepEqual([batch.succeeded, seen], [8, [0, 1, 2, 2]]);
    },
  );
}

test(
  'requests that two crashes had in flight run with nothing else in flight, the others before and after',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10 });
    const { upstreams } = world;
    const beside: number[] = [];
    upstreams.answer = (body, { crashes }) => {
      if (!isLine(body, 'r1') && !isLine(body, 'r2')) return succeeded({});
      if (crashes < 2) return retry('crashed', 0);
      beside.push(upstreams.inFlight - 1);
      return succeeded({});
    };
    const batchId = await world.create([await world.upload(chatLines(64))]);
    world.worker.start();
    assert.equal((await world.ended(batchId)).succeeded, 64);
    assert.deepEqual(beside, [0, 0]);
  },
);

test('once the poison is found, others of the same crashes go on together', TIMEOUT, async () => {
  await using world = await openEngineWorld({ speed: 10 });
  const { upstreams } = world;
  const crashesWhenSent: number[] = [];
  const rounds = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  upstreams.answer = async (_, { crashes }) => {
    const round = rounds[Math.ceil(upstreams.sent.length / 8) - 1];
    if (round !== undefined) {
      // All are in flight at each crash, or the first would be a suspect before the last has been sent.
      if (upstreams.sent.length % 8 === 0) round.resolve();
      await round.promise;
      return retry('crashed', 0);
    }
    crashesWhenSent.push(crashes);
    const isFirst = crashesWhenSent.length === 1;
    await world.database.ping();
    if (!isFirst) return succeeded({});
    return { kind: 'failed', status: 502, body: Buffer.from('{}'), reason: 'poison', isPoison: true };
  };
  const batchId = await world.create([await world.upload(chatLines(8))]);
  world.worker.start();
  const batch = await world.ended(batchId);
  assert.deepEqual([batch.succeeded, batch.failed], [7, 1]);
  // The second was sent as the first came back.
  assert.deepEqual(crashesWhenSent, [2, 2, 0, 0, 0, 0, 0, 0]);
});

/** A worker claims all, says that it sends `ordinal` if one is given, and dies. */
async function die({ database }: EngineWorld, ordinal: number | null): Promise<void> {
  const session = await database.openSession();
  const [first] = await database.claimShards({ session, routes: 'any', limit: 100, perBatch: 100 });
  if (ordinal !== null) {
    await database.markSending({ shardId: first.id, epoch: first.epoch, session }, ordinal);
  }
  await database.burySilentSessions(-1);
}

async function planned(
  world: EngineWorld,
  lines: number,
  batch: Parameters<EngineWorld['create']>[1] = {},
): Promise<string> {
  const input = chatLines(lines).map((line, at) =>
    batch.model === null ? line.replace('{"messages"', `{"model":"${at < 4 ? 'x' : 'y'}","messages"`) : line,
  );
  const batchId = await world.create([await world.upload(input)], batch);
  const hold = hang(undefined);
  world.upstreams.answer = () => hold;
  world.upstreams.serve([]);
  world.worker.start();
  await world.until(batchId, ({ state }) => state === 'queued');
  await world.worker.stop(0);
  world.upstreams.serve('any');
  return batchId;
}

test('a request that three workers died over alone ends as poison and is never sent', TIMEOUT, async () => {
  const marked: (number | null)[] = [];
  await using world = await openEngineWorld({
    database: (database) => ({
      ...database,
      markSending(lease, ordinal) {
        marked.push(ordinal);
        return database.markSending(lease, ordinal);
      },
    }),
  });
  const batchId = await planned(world, 8);
  for (const ordinal of [null, null, 3, 3, 3]) await die(world, ordinal);

  world.upstreams.answer = () => succeeded({});
  const worker = world.another();
  worker.start();
  const batch = await world.ended(batchId);
  await worker.stop(0);
  assert.deepEqual(
    [batch.succeeded, batch.failed, batch.errors],
    [7, 1, [{ message: 'Bora died each time it worked on this request.', count: 1 }]],
  );
  assert.ok(!world.upstreams.sent.some((body) => isLine(body, 'r3')));
  assert.equal(world.upstreams.maxInFlight, 1);
  assert.deepEqual(marked, [0, 1, 2, 4, 5, 6, 7]);
  const [line] = await world.lines(batch.errorFileId);
  assert.equal(line.response.status_code, 502);
  assert.match(JSON.stringify(line.response.body), /Bora died 3 times.*poison/);
});

test(
  'a request that two workers died over runs with nothing else in flight in its worker',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10 });
    const batchId = await planned(world, 64);
    for (const ordinal of [null, null, 3, 3]) await die(world, ordinal);

    let beside = -1;
    world.upstreams.maxInFlight = 0;
    world.upstreams.answer = async (body) => {
      if (isLine(body, 'r3')) beside = world.upstreams.inFlight - 1;
      await world.database.ping();
      return succeeded({});
    };
    const worker = world.another();
    worker.start();
    const batch = await world.ended(batchId);
    await worker.stop(0);
    assert.deepEqual([batch.succeeded, beside], [64, 0]);
    // One request of each of the four shards.
    assert.ok(world.upstreams.maxInFlight > 1 && world.upstreams.maxInFlight <= 4);
  },
);

test(
  'a shard that goes on one request at a time waits for all its dead models, and goes on with any',
  TIMEOUT,
  async () => {
    await using world = await openEngineWorld({ speed: 10 });
    const [x, y] = ['/v1/chat/completions x', '/v1/chat/completions y'];
    const batchId = await planned(world, 8, { model: null, routes: null });
    for (const ordinal of [null, null]) await die(world, ordinal);
    world.upstreams.serve(['/v1/chat/completions m']);
    world.upstreams.answer = () => succeeded({});
    const worker = world.another();
    worker.start();
    const { parked } = await world.until(batchId, (batch) => batch.parked.length === 1);
    assert.deepEqual(parked[0].routes, [x, y]);
    world.upstreams.serve([y]);
    await world.until(batchId, ({ succeeded: answered }) => answered === 4);
    world.upstreams.serve([x, y]);
    assert.equal((await world.ended(batchId)).succeeded, 8);
    await worker.stop(0);
    assert.deepEqual([world.upstreams.maxInFlight, world.upstreams.sent.length], [1, 8]);
  },
);
