import { cpus, tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import type { Benchmark, Setup } from './benchmark.ts';
import { journal } from './benchmarks/journal.ts';
import { million } from './benchmarks/million.ts';
import { restart } from './benchmarks/restart.ts';
import { throughput } from './benchmarks/throughput.ts';
import { upload } from './benchmarks/upload.ts';
import { window } from './benchmarks/window.ts';
import { machineBusyMs, treeCpuMs } from './cpu.ts';
import { describeMachine, machineText } from './machine.ts';
import { missesOf, reportOf, textOf, type BenchmarkReport } from './report.ts';
import { makeScratchFolder } from './scratch-folder.ts';

const BENCHMARKS: readonly Benchmark[] = [throughput, window, million, upload, restart, journal];

const HELP = `npm run bench -- [--only ${BENCHMARKS.map(({ name }) => name).join(',')}] [--runs 5] [--quick] [--json] [--folder ${tmpdir()}]

  --only    some of the benchmarks, separated by commas
  --runs    how often each is measured; the median counts
  --quick   small sizes, to see that it works
  --json    one JSON object on stdout, progress on stderr
  --folder  where the data lies; it must be a disk, not memory

Exit codes: 0 every limit kept, 1 one missed or something failed, 2 told something that cannot be.`;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    runs: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    folder: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', default: false },
  },
});
const runs = Number(flags.runs);
const names = flags.only?.split(',') ?? BENCHMARKS.map(({ name }) => name);
const chosen = BENCHMARKS.filter(({ name }) => names.includes(name));
if (flags.help || chosen.length !== names.length || !(Number.isInteger(runs) && runs > 0)) {
  console.error(HELP);
  process.exit(flags.help ? 0 : 2);
}
// Ends by itself, so that what was started is killed and what was written is removed on the way out.
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => process.exit(130));

const machine = await describeMachine(flags.folder);
if (!flags.json) console.log(machineText(machine));
const benchmarks: BenchmarkReport[] = [];
for (const benchmark of chosen) {
  const report = await runBenchmark(benchmark);
  benchmarks.push(report);
  if (!flags.json) console.log(textOf(report));
}
if (flags.json) console.log(JSON.stringify({ machine, benchmarks }));
const misses = benchmarks.flatMap(missesOf);
if (misses.length > 0) console.error(`Missed: ${misses.join('; ')}.`);
process.exitCode = misses.length === 0 ? 0 : 1;

async function runBenchmark(benchmark: Benchmark): Promise<BenchmarkReport> {
  await using scratch = await makeScratchFolder(flags.folder);
  const say = (text: string): void => console.error(`${benchmark.name}: ${text}`);
  const setup: Setup = { runs, isQuick: flags.quick, folder: scratch.path, say };
  const measured: Readonly<Record<string, number>>[] = [];
  const othersPercent: number[] = [];
  let before = othersBusy();
  for await (const figures of benchmark.measure(setup)) {
    const now = othersBusy();
    measured.push(figures);
    // Ticks are coarse: on a quiet machine the difference is a little below zero.
    const othersMs = Math.max(0, now.busyMs - before.busyMs);
    othersPercent.push((100 * othersMs) / (now.at - before.at) / cpus().length);
    say(`run ${measured.length} of ${runs} is done`);
    before = now;
  }
  return reportOf(benchmark, benchmark.configuration(setup), measured, othersPercent);
}

/** Processor time of everybody else so far. */
function othersBusy(): { at: number; busyMs: number } {
  return { at: performance.now(), busyMs: machineBusyMs() - treeCpuMs(process.pid) };
}
