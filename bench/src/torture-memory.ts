import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { makeScratchFolder } from './scratch-folder.ts';
import { crowds } from './torture/crowds.ts';
import { drainedFile } from './torture/drained-file.ts';
import { inlineOutputs } from './torture/inline-outputs.ts';
import { largeAnswers } from './torture/large-answers.ts';
import { longFile } from './torture/long-file.ts';
import { PhasedMemory } from './torture/phased-memory.ts';
import type { Phase } from './torture/phased-memory.ts';
import type { MemoryScenario } from './torture/scenario.ts';

/** Of all processes of Bora together, whatever is asked of it. */
const LIMIT_MB = 600;
const MEGABYTE = 1_000_000;

const SCENARIOS: readonly MemoryScenario[] = [largeAnswers, longFile, drainedFile, inlineOutputs, crowds];

const HELP = `npm run torture:memory -- [--only ${SCENARIOS.map(({ name }) => name).join(',')}] [--whole] [--folder ${tmpdir()}]

${SCENARIOS.map(({ name, about }) => `  ${name.padEnd(8)} ${about}`).join('\n')}

  --whole   to the last request, where the short way tells as much about memory
  --folder  where the data lies, 6 GB of it; it must be a disk, not memory

Exit codes: 0 memory stayed within ${LIMIT_MB} MB, 1 it did not or something failed, 2 told something that cannot be.`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    whole: { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
const names = flags.only?.split(',') ?? SCENARIOS.map(({ name }) => name);
const chosen = SCENARIOS.filter(({ name }) => names.includes(name));
if (flags.help || chosen.length !== names.length) {
  console.error(HELP);
  process.exit(flags.help ? 0 : 2);
}
// Ends by itself, so that what was started is killed and what was written is removed on the way out.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => process.exit(130));

let worst = 0;
for (const scenario of chosen) {
  await using scratch = await makeScratchFolder(flags.folder);
  console.log(`${scenario.name}: ${scenario.about}`);
  await scenario.run({
    folder: scratch.path,
    isWhole: flags.whole,
    watch: (pid) => new PhasedMemory(pid, report),
  });
}
console.log(`\n${worst.toFixed(0)} MB at most, of ${LIMIT_MB} MB`);
process.exitCode = worst > LIMIT_MB ? 1 : 0;

function report({ name, seconds, peakBytes }: Phase): void {
  const peak = peakBytes / MEGABYTE;
  worst = Math.max(worst, peak);
  console.log(`  ${name.padEnd(10)} ${peak.toFixed(0).padStart(5)} MB  ${seconds.toFixed(1).padStart(7)} s`);
}
