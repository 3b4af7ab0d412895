import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultyDatabase, InjectedFault } from '@bora/testkit/faulty-database';
import { stepsOf } from '@bora/testkit/printed-step';
import fc from 'fast-check';
import { readPartialResults, ResultsGone } from '../src/batches/partial-results.ts';
import { FileContentMissing } from '../src/files/content.ts';
import { BlobMissingError } from '../src/storage/ports/blobs.ts';
import type { ResultPart } from '../src/storage/ports/shard-queue.ts';
import type { Answer } from './result-world.ts';
import { answerOf, linesOf, ordinalOf, ResultWorld } from './result-world.ts';

const OPTIONS = { timeout: 60_000 };
const RUNS = 40;
/** Two lines of 100 characters, not three. */
const PAGE_BYTES = 350;

describe('partial results', OPTIONS, () => {
  it('any interleaving gives a reader each line once, as its file will have it, and all that were there at its start', async () => {
    await using world = await ResultWorld.openDatabase();
    await fc.assert(
      fc.asyncProperty(anyShards, anySteps, async ([shards, count], steps) => {
        const run = new Run(await ResultWorld.begin(world, shards, count));
        for (const take of steps) await take(run);
        await run.finish();
      }),
      { numRuns: RUNS },
    );
  });

  it('a reader between two pages of a shard goes on in its result blobs once it is committed, and in the files once there are', async () => {
    await using results = await startJournaled();
    const [shard] = results.open;
    const readers = [1, 2, 3].map(() => new Reading(results));
    for (const reader of readers) await reader.take();
    const [atOnce, committed, ended] = readers;
    await atOnce.takeAll();
    assert.deepEqual(atOnce.ordinals, [0, 1, 2, 3, 5]);
    await results.commit(shard);
    await committed.takeAll();
    assert.deepEqual(committed.ordinals, [0, 1, 2, 3, 4, 5]);
    await results.finalise();
    await results.collect();
    await ended.takeAll();
    assert.deepEqual(ended.ordinals, [0, 1, 2, 3, 4, 5]);
    const lines = await results.fileLines('output');
    for (const reader of readers) reader.assertAmong(lines);
  });

  it('folded lines that a page names are there though the shard is committed before they are read', async () => {
    await using results = await startJournaled();
    const [shard] = results.open;
    await results.fold(shard);
    let isCommitted = false;
    const blobs = {
      ...results.blobs,
      read: (...range: Parameters<typeof results.blobs.read>) =>
        (async function* () {
          if (!isCommitted) {
            isCommitted = true;
            await results.commit(shard);
          }
          yield* results.blobs.read(...range);
        })(),
    };
    const reader = new Reading(results, 'output', blobs);
    await reader.take();
    assert.ok(isCommitted);
    await results.collect();
    await reader.takeAll();
    assert.deepEqual(reader.ordinals, [0, 1, 2, 3, 4, 5]);
  });

  it('a reader who goes slower than the hour for which folded bytes are kept misses nothing', async () => {
    await using results = await startJournaled();
    const [shard] = results.open;
    await results.fold(shard);
    const reader = new Reading(results);
    await reader.take();
    await results.commit(shard);
    await results.collect();
    await reader.takeAll();
    assert.deepEqual(reader.ordinals, [0, 1, 2, 3, 4, 5]);
  });

  it('a reader is told that the batch was deleted, and not given fewer lines as if they were all', async () => {
    await using results = await startJournaled();
    const reader = new Reading(results);
    await reader.take();
    await results.world.database.deleteBatch(results.world.workspaceId, results.batchId);
    await assert.rejects(reader.takeAll(), ResultsGone);
    assert.deepEqual(reader.ordinals, [0, 1]);
  });

  it('a reader of the result file reads on when batch and file are deleted, and is told when the bytes are gone', async () => {
    await using results = await ResultWorld.start(3, 2);
    for (const shard of results.open.slice()) {
      await results.journal(shard, longAnswers(results.unanswered(shard)));
      await results.commit(shard);
    }
    await results.finalise();
    const lines = await results.fileLines('output');
    const { database, workspaceId } = results.world;
    const { outputFileId } = await results.world.batch(results.batchId);
    const [inTime, tooLate] = [new Reading(results), new Reading(results)];
    for (const reader of [inTime, tooLate]) await reader.take();
    await database.deleteBatch(workspaceId, results.batchId);
    await database.deleteFile(workspaceId, outputFileId!);
    await inTime.takeAll();
    assert.deepEqual(linesOf(inTime.chunks), lines);
    await results.world.runPurges();
    await results.collect();
    await assert.rejects(
      tooLate.takeAll(),
      (error) => error instanceof BlobMissingError || error instanceof FileContentMissing,
    );
  });

  it('a reader of a batch whose result file was deleted is told, wherever it was', async () => {
    await using results = await startJournaled();
    const reader = new Reading(results);
    await reader.take();
    await results.commit(results.open[0]);
    await results.finalise();
    const { outputFileId } = await results.world.batch(results.batchId);
    await results.world.database.deleteFile(results.world.workspaceId, outputFileId!);
    await assert.rejects(reader.takeAll(), ResultsGone);
  });

  it('a reader meets an error of the database as an error, never as an end', async () => {
    await using results = await startJournaled();
    const plan = (method: string, call: number) =>
      method === 'readResults' && call === 2 ? 'fail-before' : 'pass';
    const { workspaceId } = results.world;
    const database = faultyDatabase(results.world.database, plan);
    const reader = readPartialResults(
      { database, blobs: results.blobs },
      { workspaceId, id: results.batchId },
      'output',
      PAGE_BYTES,
    );
    await reader.next();
    await assert.rejects(reader.next(), InjectedFault);
  });

  it('holds one page of lines, however much there is', async () => {
    await using results = await ResultWorld.start(2, 20);
    for (const shard of results.open) await results.journal(shard, longAnswers(results.unanswered(shard)));
    const reader = results.read('output');
    let lines = 0;
    for await (const chunk of reader) {
      assert.ok(chunk.length <= 256 * 1024, `${chunk.length} bytes`);
      lines += linesOf([chunk]).length;
    }
    assert.equal(lines, 40);
  });
});

/** One shard of six requests, all but the fifth journaled, in two rows. */
async function startJournaled(): Promise<ResultWorld> {
  const results = await ResultWorld.start(1, 6);
  const [shard] = results.open;
  await results.journal(
    shard,
    [3, 0, 5].map((ordinal) => answerOf({ ordinal })),
  );
  await results.journal(
    shard,
    [2, 1].map((ordinal) => answerOf({ ordinal })),
  );
  return results;
}

function longAnswers(ordinals: readonly number[]): Answer[] {
  return ordinals.map((ordinal) => answerOf({ ordinal, characters: 40_000 }));
}

/** A reader under way. */
class Reading {
  readonly #reader: AsyncGenerator<Uint8Array>;
  readonly #atStart: readonly number[];
  readonly kind: ResultPart['kind'];
  readonly chunks: Uint8Array[] = [];

  constructor(results: ResultWorld, kind: ResultPart['kind'] = 'output', blobs = results.blobs) {
    this.#reader = results.read(kind, PAGE_BYTES, blobs);
    this.kind = kind;
    const wanted = kind === 'output' ? 'succeeded' : 'failed';
    this.#atStart = [...results.journaled]
      .filter(([, found]) => found === wanted)
      .map(([ordinal]) => ordinal);
  }

  get ordinals(): number[] {
    return linesOf(this.chunks).map(ordinalOf);
  }

  /** One chunk; false at the end. */
  async take(): Promise<boolean> {
    const { value, done } = await this.#reader.next();
    if (value !== undefined) this.chunks.push(Buffer.from(value));
    return done !== true;
  }

  async takeAll(): Promise<void> {
    while (await this.take());
  }

  assertAmong(lines: readonly string[]): void {
    const ordinals = this.ordinals;
    const read = new Set(ordinals);
    assert.equal(read.size, ordinals.length, `${this.kind} lines come once: ${ordinals.join()}`);
    assert.deepEqual(
      linesOf(this.chunks),
      lines.filter((line) => read.has(ordinalOf(line))),
      'they are lines of the file, in its order',
    );
    for (const ordinal of this.#atStart) assert.ok(read.has(ordinal), `${ordinal} was there at the start`);
  }
}

/** What happens to a batch, and those who read it meanwhile. */
class Run {
  readonly results: ResultWorld;
  readonly readers: Reading[] = [];
  #isEnded = false;

  constructor(results: ResultWorld) {
    this.results = results;
  }

  async journal(
    pickShard: number,
    answers: readonly (readonly [pick: number, answer: Partial<Answer>])[],
  ): Promise<void> {
    const shard = at(this.results.open, pickShard);
    if (shard === undefined) return;
    const unanswered = this.results.unanswered(shard);
    const given = answers
      .slice(0, unanswered.length)
      .map(([place, answer]) =>
        answerOf({ ...answer, ordinal: unanswered.splice(place % unanswered.length, 1)[0] }),
      );
    if (given.length > 0) await this.results.journal(shard, given);
  }

  async finalise(): Promise<void> {
    if (this.#isEnded) return;
    for (const shard of this.results.open.slice()) await this.results.commit(shard);
    await this.results.finalise();
    this.#isEnded = true;
  }

  async finish(): Promise<void> {
    await this.finalise();
    for (const reader of this.readers) {
      await reader.takeAll();
      reader.assertAmong(await this.results.fileLines(reader.kind));
    }
  }
}

const anyShards = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 8 }));
const pick = fc.nat(1_000);
const anyAnswer = fc.record({
  kind: fc.constantFrom('succeeded', 'succeeded', 'failed'),
  characters: fc.nat(200),
  isSpilled: fc.nat(9).map((chance) => chance === 0),
});
const anyAnswers = fc.array(fc.tuple(pick, anyAnswer), { minLength: 1, maxLength: 8 });

const step = stepsOf<Run>();
const anyStep = fc.oneof(
  step(6, fc.tuple(pick, anyAnswers), (run, [shard, answers]) => run.journal(shard, answers)),
  step(2, pick, async ({ results }, shard) => {
    const folded = at(results.open, shard);
    if (folded !== undefined) await results.fold(folded);
  }),
  step(2, pick, async ({ results }, shard) => {
    const committed = at(results.open, shard);
    if (committed !== undefined) await results.commit(committed);
  }),
  step(1, fc.constant(null), (run) => run.finalise()),
  step(1, fc.constant(null), ({ results }) => results.collect()),
  step(3, fc.constantFrom('output', 'error'), async ({ results, readers }, kind) => {
    readers.push(new Reading(results, kind));
  }),
  step(8, pick, async ({ readers }, reader) => void (await at(readers, reader)?.take())),
);
/** Without bias, which would make most runs short. */
const anySteps = fc.noBias(fc.array(anyStep, { maxLength: 40, size: 'max' }));

function at<Item>(items: readonly Item[], place: number): Item | undefined {
  return items[place % items.length];
}
