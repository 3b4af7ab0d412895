import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { skipFileSync, skipFolderSync } from '@bora/testkit/defects/disk-defects';
import { runPowerLoss } from '@bora/testkit/power/power-run';
import type { PowerReport } from '@bora/testkit/power/power-run';
import type { Disk } from '../src/storage/ports/disk.ts';

const SEEDS = [1, 2, 3, 4, 5, 6];

describe('power goes between an upload and its results', { timeout: 300_000 }, () => {
  it('before every other change of the disk: nothing acknowledged is lost, and nothing held is bought again', async () => {
    const fallen: PowerReport['cuts'][number][] = [];
    // The long form, npm run torture:power, takes each change, and both states of the database for it.
    for (let nth = 1; ; nth += 2) {
      const remains = nth % 4 === 1 ? 'acknowledged' : 'in-progress';
      const { violations, cuts } = await runPowerLoss({ seed: nth, cuts: [nth], remains });
      assert.deepEqual(violations, [], `seed ${nth}, before change ${nth}, ${remains}`);
      if (cuts.length === 0) break;
      fallen.push(...cuts);
    }
    const operations = new Set(fallen.map(({ operation }) => operation));
    assert.deepEqual([...operations].toSorted(), ['create', 'rename', 'sync', 'syncFolder', 'write']);
    const times = new Set(fallen.map(({ during }) => during));
    assert.ok(times.has('upload') && times.has('running'), [...times].join());
  });

  for (const [name, wrapDisk] of [
    ['files', skipFileSync],
    ['folders', skipFolderSync],
  ] as const) {
    it(`it is noticed when ${name} are not synced`, async () => {
      assert.ok((await violationsOver(wrapDisk)).length > 0);
    });
  }
});

async function violationsOver(wrapDisk: (disk: Disk) => Disk): Promise<string[]> {
  const found: string[] = [];
  for (const seed of SEEDS) {
    const report = await runPowerLoss({ seed, cuts: [], remains: 'acknowledged', wrapDisk });
    found.push(...report.violations);
  }
  return found;
}
