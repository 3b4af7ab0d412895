import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultyDatabase, type CallFate, type DatabaseMethod } from '@bora/testkit/faulty-database';
import { systemClock } from '../src/observe/clock.ts';
import type { Database } from '../src/storage/ports/database.ts';
import { openEngineWorld, type EngineWorld } from './engine-world.ts';
import type { Verdict } from '../src/upstreams/upstreams.ts';
import { failed, hang, succeeded, type SentBody } from './scripted-upstreams.ts';

const ROUTE = '/v1/chat/completions m';
const FATES: readonly CallFate[] = ['fail-before', 'fail-after-commit'];
const OPTIONS = { timeout: 60_000, concurrency: 8 };

describe('a batch ends with one line per request, though one call fails', OPTIONS, () => {
  for (const [method, fate] of pairs(
    'openSession',
    'claimTask',
    'readPlanInput',
    'readCuts',
    'addShards',
    'finishPlan',
  )) {
    it(`of a new batch: ${method}, ${fate}`, async () => {
      const faults = new Faults((called) => (called === method ? fate : 'pass'));
      await using world = await openEngineWorld({ database: faults.wrap, speed: 10 });
      world.upstreams.answer = answerAll;
      const batchId = await world.create([await world.upload(chatLines())]);
      faults.arm();
      world.worker.start();
      await assertWhole(world, batchId, 40);
      assert.equal(faults.hits, 1);
    });
  }

  for (const fate of FATES) {
    it(`of a task that failed: returnTask, ${fate}`, async () => {
      const faults = new Faults((called) =>
        called === 'readPlanInput' ? 'fail-before' : called === 'returnTask' ? fate : 'pass',
      );
      await using world = await openEngineWorld({ database: faults.wrap, speed: 10 });
      world.upstreams.answer = answerAll;
      const batchId = await world.create([await world.upload(chatLines())]);
      faults.arm();
      world.worker.start();
      await assertWhole(world, batchId, 40);
      assert.equal(faults.hits, 2);
    });
  }

  for (const [method, fate] of pairs(
    'claimShards',
    'readManifest',
    'releaseShards',
    'appendJournal',
    'readJournalIndex',
    'readJournalBytes',
    'foldJournal',
    'commitShards',
    'finalise',
  )) {
    it(`of a batch that goes on: ${method}, ${fate}`, async () => {
      const faults = new Faults((called) => (called === method ? fate : 'pass'));
      // Parked shards are folded, however little they hold; and answers are journaled before the shard's last ones are there.
      const settings = { foldParkedBytes: 0, journalDelayMs: 0 };
      await using world = await openEngineWorld({ database: faults.wrap, speed: 10, settings });
      const batchId = await halfAnswered(world);
      const sent = 40 + world.upstreams.sent.length - (await world.batch(batchId)).succeeded;

      faults.arm();
      world.upstreams.answer = async (body) => {
        await systemClock.sleep(3);
        return answerAll(body);
      };
      world.upstreams.window = 0;
      const second = world.another();
      second.start();
      await world.waitFor(
        async () => (await world.database.countWork()).shards.leased! > 0 || faults.hits > 0,
      );
      world.upstreams.serve([]);
      await world.waitFor(async () => (await world.batch(batchId)).parked.length > 0 || faults.hits > 0);
      world.upstreams.window = 2;
      world.upstreams.serve([ROUTE]);
      await assertWhole(world, batchId, sent);
      assert.equal(faults.hits, 1);
      await second.stop(0);
    });
  }
});

describe('a cancelled batch ends with what was answered, though one call fails', OPTIONS, () => {
  for (const [method, fate] of pairs(
    'claimDrain',
    'drainUntouched',
    'readJournalIndex',
    'readJournalBytes',
    'commitShards',
    'finalise',
  )) {
    it(`${method}, ${fate}`, async () => {
      const faults = new Faults((called) => (called === method ? fate : 'pass'));
      await using world = await openEngineWorld({ database: faults.wrap, speed: 10 });
      const batchId = await halfAnswered(world);
      const { succeeded: answered } = await world.batch(batchId);
      await world.database.cancelBatch(world.workspaceId, batchId);
      faults.arm();
      const second = world.another();
      second.start();
      const batch = await world.ended(batchId);
      await second.stop(0);
      assert.equal(faults.hits, 1);
      assert.deepEqual([batch.state, batch.succeeded, batch.failed], ['cancelled', answered, 0]);
      assert.equal((await world.lines(batch.outputFileId)).length, answered);
    });
  }
});

/** Fails the first call that the plan says, once armed; then, for each method, no other. */
class Faults {
  hits = 0;
  readonly #fateOf: (method: DatabaseMethod) => CallFate;
  readonly #done = new Set<DatabaseMethod>();
  #isArmed = false;

  constructor(fateOf: (method: DatabaseMethod) => CallFate) {
    this.#fateOf = fateOf;
  }

  readonly wrap = (database: Database): Database => faultyDatabase(database, (method) => this.#plan(method));

  arm(): void {
    this.#isArmed = true;
  }

  #plan(method: DatabaseMethod): CallFate {
    const fate = this.#isArmed && !this.#done.has(method) ? this.#fateOf(method) : 'pass';
    if (fate === 'pass') return 'pass';
    this.#done.add(method);
    this.hits += 1;
    return fate;
  }
}

/** A batch of 40 requests of which one worker answered the most, and then stopped. */
async function halfAnswered(world: EngineWorld): Promise<string> {
  world.upstreams.serve([ROUTE]);
  world.upstreams.answer = (body, _request, signal) =>
    JSON.stringify(body).includes('"r1') ? hang(signal) : succeeded({ ok: true });
  world.upstreams.window = 32;
  const batchId = await world.create([await world.upload(chatLines())]);
  world.worker.start();
  await world.until(batchId, (batch) => batch.succeeded === 29);
  await world.worker.stop(0);
  return batchId;
}

async function assertWhole(world: EngineWorld, batchId: string, sent: number): Promise<void> {
  const batch = await world.ended(batchId);
  assert.deepEqual([batch.state, batch.succeeded + batch.failed], ['completed', 40]);
  const lines = [...(await world.lines(batch.outputFileId)), ...(await world.lines(batch.errorFileId))];
  const ordinals = lines.map(({ id }) => Number(id.slice(id.lastIndexOf('-') + 1)));
  assert.deepEqual(
    ordinals.toSorted((a, b) => a - b),
    [...Array(40).keys()],
  );
  assert.equal(world.upstreams.sent.length, sent, 'an answer was bought twice');
}

function answerAll(body: SentBody): Verdict {
  return JSON.stringify(body).includes('"r3') ? failed(400) : succeeded({ ok: true });
}

function pairs(...methods: readonly DatabaseMethod[]): [DatabaseMethod, CallFate][] {
  return methods.flatMap((method) => FATES.map((fate): [DatabaseMethod, CallFate] => [method, fate]));
}

function chatLines(): string[] {
  return Array.from(
    { length: 40 },
    (_, at) => `{"custom_id":"r${at}","body":{"messages":[{"role":"user","content":"r${at}"}]}}`,
  );
}
