import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stepsOf } from '../../printed-step.ts';
import { DatabaseWorld, type OpenDatabase } from './database-world.ts';
import { InterleavedWork } from './interleaved-work.ts';

/** Each run opens a database of its own; this many take some seconds on SQLite. */
const RUNS = 25;
/** Then a failure is told as far as it was made smaller, before the test's own time is up. */
const MOST_MS = 45_000;

export function registerInterleavingContract(open: OpenDatabase): void {
  describe('any interleaving', () => {
    it('counts each outcome once, never loses one, shows readers each once, and ends with one line per outcome', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(anyBatch, { minLength: 1, maxLength: 2 }),
          anySteps,
          async (batches, steps) => {
            await using world = await DatabaseWorld.open(open);
            const work = new InterleavedWork(world);
            for (const { shards, count } of batches) await work.addBatch(shards, count);
            for (const take of steps) {
              await take(work);
              await work.checkCounts();
            }
            await work.finishAll();
          },
        ),
        { numRuns: RUNS, interruptAfterTimeLimit: MOST_MS },
      );
    });
  });
}

const anyBatch = fc.record({ shards: fc.integer({ min: 1, max: 5 }), count: fc.integer({ min: 1, max: 8 }) });
const pick = fc.nat(1_000);

const step = stepsOf<InterleavedWork>();
const anyStep = fc.oneof(
  step(5, fc.tuple(pick, fc.integer({ min: 1, max: 4 })), (work, [session, limit]) =>
    work.claim(session, limit),
  ),
  step(8, fc.tuple(pick, fc.array(fc.boolean(), { minLength: 1, maxLength: 4 })), (work, [lease, succeeds]) =>
    work.journal(lease, succeeds),
  ),
  step(2, pick, (work, row) => work.repeatJournal(row)),
  step(2, pick, (work, lease) => work.fold(lease)),
  step(3, fc.tuple(pick, fc.constantFrom('output', 'error')), (work, [batch, kind]) =>
    work.beginToRead(batch, kind),
  ),
  step(6, fc.tuple(pick, fc.integer({ min: 1, max: 4 })), (work, [reader, pages]) =>
    work.read(reader, pages),
  ),
  step(2, pick, (work, lease) => work.writeLate(lease)),
  step(4, pick, (work, lease) => work.commit(lease)),
  step(2, fc.tuple(pick, fc.boolean()), (work, [lease, parks]) => work.release(lease, parks)),
  step(1, pick, (work, session) => work.bury(session)),
  step(1, pick, (work, batch) => work.cancel(batch)),
  step(2, pick, (work, session) => work.drain(session)),
  step(1, fc.constant(null), (work) => work.restart()),
  step(2, fc.constant(null), (work) => work.finalise()),
);
/** Without bias, which would make most runs short and do most of their steps to the first batch and shard. */
const anySteps = fc.noBias(fc.array(anyStep, { maxLength: 100, size: 'max' }));
