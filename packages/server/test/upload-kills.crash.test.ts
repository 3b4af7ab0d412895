import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kill } from '@bora/testkit/crash/crash-plan';
import { DURABLE_STEPS, runUploadCrashScenario } from '@bora/testkit/crash/upload-scenario';

const KILLS: readonly (readonly [name: string, kills: readonly Kill[]])[] = [
  ['before a part is synced', [{ point: 'upload.written', hit: 2 }]],
  ["before a durable part is its upload's", [{ point: 'upload.durable', hit: 2 }]],
  ['between reading the parts and making the file', [{ point: 'upload.durable', hit: DURABLE_STEPS }]],
  [
    'again and again',
    [
      { point: 'upload.written', hit: 1 },
      { point: 'upload.durable', hit: 2 },
      { point: 'upload.durable', hit: 2 },
      { point: 'upload.durable', hit: 3 },
      { point: 'upload.durable', hit: 1 },
    ],
  ],
];

for (const [name, kills] of KILLS) {
  test(`killed ${name}, a file in parts has every part that was acknowledged`, async () => {
    const report = await runUploadCrashScenario({ kills, defect: null });
    assert.deepEqual(report.violations, []);
    assert.equal(report.kills, kills.length, 'a stop point was never reached');
  });
}

test('a Bora that does not sync its files loses parts that it acknowledged, and that is seen', async () => {
  const kills: readonly Kill[] = [{ point: 'upload.durable', hit: DURABLE_STEPS }];
  const report = await runUploadCrashScenario({ kills, defect: 'skip-file-sync' });
  assert.notDeepEqual(report.violations, []);
});
