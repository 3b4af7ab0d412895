import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { startWholeBora } from '../whole-bora.ts';
import { fuzzCalls, fuzzCreates, fuzzForms } from './fuzz.ts';
import type { FuzzOptions, Statuses, Target } from './fuzz.ts';
import { LARGE_UPLOADS, uploadLarge } from './large-uploads.ts';

const HELP = `npm run torture:input -- [--runs 5000] [--seed N] [--skip-large]

Uploads what no test has the time for, then sends forms, create calls and calls that are a little wrong. Each must be answered by what
was asked for or by whose fault it is, and what is refused must leave nothing behind.

  --runs        how many of each kind are sent
  --seed        the same again; printed at the start
  --skip-large  without the large uploads`;

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '5000' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    'skip-large': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const runs = Number(flags.runs);
const seed = Number(flags.seed);
if (flags.help || !(Number.isInteger(runs) && runs > 0 && Number.isInteger(seed))) {
  console.log(HELP);
  process.exit(flags.help ? 0 : 2);
}

console.log(`seed ${seed}`);
if (!flags['skip-large']) {
  await using whole = await startWholeBora();
  for (const large of LARGE_UPLOADS) await timed(large.what, () => uploadLarge(whole, large));
  console.log(
    `  ${Math.round((process.resourceUsage().maxRSS * 1024) / 1e6)} MB at most, of this process with its Bora`,
  );
}
for (const [what, fuzz] of [
  ['forms', fuzzForms],
  ['create calls', fuzzCreates],
  ['calls', fuzzCalls],
] as const) {
  // No upstream, so that jobs stay as they were made.
  await using whole = await startWholeBora({ upstreams: [], env: { BORA_STALL_SECONDS: '1' } });
  await timed(`${runs} ${what}`, () => fuzzed(fuzz, whole));
}

async function fuzzed(
  fuzz: (target: Target, options: FuzzOptions) => Promise<Statuses>,
  target: Target,
): Promise<string> {
  const statuses = await fuzz(target, { runs, seed });
  return [...statuses].map(([status, count]) => `${count} × ${status ?? 'closed'}`).join(', ');
}

async function timed(what: string, work: () => Promise<string | void>): Promise<void> {
  const began = performance.now();
  const result = await work();
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`  ${what}: ${seconds} s${result === undefined ? '' : `, ${result}`}`);
}
