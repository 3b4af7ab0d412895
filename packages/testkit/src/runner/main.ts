import { globSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runChecks } from './check.ts';
import { runSuite, type Counts } from './run-suite.ts';
import { CHECK_BUDGET_SECONDS, SUITES } from './suites.ts';

const USAGE = `npm test -- [suite…] [--only PATTERN]

Suites:
  check   format, lint, types, dead code
${SUITES.map(({ name, about }) => `  ${name.padEnd(7)} ${about}`).join('\n')}

Without a suite, all of them. --only runs tests whose names match.`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, help: { type: 'boolean' } },
});
const names = ['check', ...SUITES.map(({ name }) => name)];
const unknown = positionals.filter((name) => !names.includes(name));

if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`There is no suite ${unknown.join(', ')}.\n`);
  console.log(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  process.exitCode = await main(positionals.length === 0 ? names : positionals);
}

async function main(wanted: readonly string[]): Promise<number> {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const add = ({ passed, failed, skipped }: Counts): void => {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  };
  if (wanted.includes('check') && values.only === undefined) {
    add(await timed('check', CHECK_BUDGET_SECONDS, () => ({ ...runChecks(), skipped: 0 })));
  }
  const files = globSync(['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts']).toSorted();
  const only = values.only === undefined ? undefined : new RegExp(values.only);
  for (const suite of SUITES) {
    const own = files.filter((file) => suite.owns(file));
    if (!wanted.includes(suite.name) || own.length === 0) continue;
    add(await timed(suite.name, suite.budgetSeconds, () => runSuite(suite, own, only)));
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (total.passed + total.failed === 0) console.error('No test ran.');
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

/** One line per suite, with its time against its budget. A budget is for people to see, never a reason to fail. */
async function timed(name: string, budget: number, work: () => Counts | Promise<Counts>): Promise<Counts> {
  const started = performance.now();
  const counts = await work();
  const seconds = (performance.now() - started) / 1000;
  const over = seconds > budget ? '  OVER BUDGET' : '';
  const { passed, failed, skipped } = counts;
  console.log(
    `${name.padEnd(6)} ${passed} passed, ${failed} failed, ${skipped} skipped` +
      `  ${seconds.toFixed(1)} s of ${budget} s${over}`,
  );
  return counts;
}
