import { parseArgs } from 'node:util';
import { seededRandom } from '../seeded-random.ts';
import { runPowerLoss, type PowerPlan } from './power-run.ts';
import { failSyncs, fillDisk, isAble, traceSyncs, type RealDiskReport } from './real-disk.ts';

const USAGE = `npm run torture:power -- [--rounds N] [--seed N]

Uploads, runs and reads a job while the power goes before each change of the disk in turn: once with the database as of its last
answered commit, once with the commit in progress; then twice in a row at random. Each round takes other leftovers.
Then the same as a real process: its system calls watched, its fsyncs failing (both with strace), its disk full (a tmpfs, as root).

  --rounds N   default 3
  --seed N     of the first round; default 1`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean' },
  },
});

const MIB = 1024 ** 2;
/** By operation and state of the job. */
const fallen = new Map<string, number>();
let runs = 0;
let failed = 0;

if (values.help) {
  console.log(USAGE);
} else {
  const first = Number(values.seed);
  for (let seed = first; seed < first + Number(values.rounds); seed++) await round(seed);
  for (const place of [...fallen.keys()].toSorted()) {
    console.log(`${String(fallen.get(place)).padStart(6)}  ${place}`);
  }
  await disturbRealDisks();
  console.log(`\n${runs} runs, ${failed} with violations`);
  process.exitCode = failed === 0 ? 0 : 1;
}

async function round(seed: number): Promise<void> {
  let changes = 0;
  for (let isReached = true; isReached; changes++) {
    isReached = false;
    for (const remains of ['acknowledged', 'in-progress'] as const) {
      isReached = (await run({ seed: seed * 1_000 + changes, cuts: [changes + 1], remains })) || isReached;
    }
  }
  const random = seededRandom(seed);
  for (let pair = 0; pair < changes; pair++) {
    const cuts = [1 + Math.floor(random() * changes), 1 + Math.floor(random() * changes)];
    const remains = random() < 0.5 ? 'acknowledged' : 'in-progress';
    await run({ seed: seed * 1_000 + pair, cuts, remains });
  }
  console.log(
    `round ${seed}: ${changes - 1} changes of the disk, ${runs} runs so far, ${failed} with violations`,
  );
}

async function disturbRealDisks(): Promise<void> {
  if (isAble('strace', '-o', '/dev/null', 'true')) {
    await disturb('system calls', traceSyncs());
    for (let nth = 6; nth < 14; nth += 2)
      await disturb(`fsync ${nth} and each 7th after it`, failSyncs(nth, 7));
  } else console.log('skipped: strace is not there, or may not watch processes here');
  if (isAble('sh', '-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs "$d" && umount "$d" && rmdir "$d"')) {
    await disturb('a disk with little room', fillDisk(16 * MIB, 12 * MIB));
    await disturb('a disk without room', fillDisk(0, 0));
  } else console.log('skipped: no file system may be mounted here');
}

async function disturb(what: string, running: Promise<RealDiskReport>): Promise<void> {
  const { violations, done } = await running;
  runs += 1;
  console.log(`${what}: ${done}`);
  reportFailed(what, violations);
}

/** Whether the power went at all before the end. */
async function run(plan: PowerPlan): Promise<boolean> {
  const { violations, cuts } = await runPowerLoss(plan);
  runs += 1;
  for (const { operation, during } of cuts) {
    const place = `${operation} ${during}`;
    fallen.set(place, (fallen.get(place) ?? 0) + 1);
  }
  reportFailed(JSON.stringify(plan), violations);
  return cuts.length > 0;
}

function reportFailed(what: string, violations: readonly string[]): void {
  if (violations.length === 0) return;
  failed += 1;
  console.error(`\nFAILED  ${what}\n${violations.map((text) => `        ${text}\n`).join('')}`);
}
