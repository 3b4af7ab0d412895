import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Kill } from '@bora/testkit/crash/crash-plan';
import { runOpenAiCrashScenario } from '@bora/testkit/crash/openai-scenario';

/** Where a batch of OpenAI's dialect goes another way than one of Mistral's. */
const KILLS: readonly (readonly [name: string, kills: readonly Kill[]])[] = [
  ['before the bad batch is validated', [{ point: 'plan.claimed', hit: 1 }]],
  ['when a good batch is planned', [{ point: 'plan.shards-added', hit: 1 }]],
  ['when the cancellation committed', [{ point: 'cancel.committed', hit: 1 }]],
  ['when the expiry committed', [{ point: 'expire.committed', hit: 1 }]],
  ['when shards are claimed for draining', [{ point: 'drain.claimed', hit: 1 }]],
  [
    'again and again while it is drained',
    [
      { point: 'cancel.committed', hit: 1 },
      { point: 'commit.before-blobs', hit: 2 },
      { point: 'commit.after-blobs', hit: 3 },
      { point: 'finalise.claimed', hit: 1 },
    ],
  ],
];

for (const [name, kills] of KILLS) {
  test(`killed ${name}, every request of OpenAI's dialect has its line`, async () => {
    const report = await runOpenAiCrashScenario({ kills, defect: null });
    assert.deepEqual(report.violations, []);
    assert.equal(report.kills, kills.length, 'a stop point was never reached');
  });
}
