import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STOP_POINTS, type StopPoint } from '../src/observe/stop-points.ts';
import { runCrashScenario } from '@bora/testkit/crash/scenario';

/** Which time the point is reached Bora dies there: in the middle of things rather than at the very first. */
const HITS: Partial<Record<StopPoint, number>> = {
  'dispatch.answered': 60,
  'journal.in-transaction': 4,
  'fold.after-blob': 3,
  'fold.committed': 2,
  'commit.before-blobs': 3,
  'commit.after-blobs': 3,
};

/** Points that only a batch can reach which an earlier death left behind. */
const AFTER: Partial<Record<StopPoint, StopPoint>> = { 'drain.claimed': 'cancel.committed' };

for (const point of STOP_POINTS) {
  test(`killed at ${point}, nothing acknowledged is lost and nothing held is bought again`, async () => {
    const before = AFTER[point];
    const kills = [
      ...(before === undefined ? [] : [{ point: before, hit: 1 }]),
      { point, hit: HITS[point] ?? 1 },
    ];
    const report = await runCrashScenario({ kills, defect: null });
    assert.deepEqual(report.violations, []);
    assert.equal(report.kills, kills.length, 'a stop point was never reached');
  });
}
