import { run } from 'node:test';
import { inspect } from 'node:util';
import type { Suite } from './suites.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A suite that takes this many times its budget hangs, and is ended. */
const HANG_FACTOR = 3;

/** Runs a suite's files, each in a process of its own; prints failures in full as they come. */
export async function runSuite(suite: Suite, files: readonly string[], only?: RegExp): Promise<Counts> {
  const limit = AbortSignal.timeout(HANG_FACTOR * suite.budgetSeconds * 1000);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  // Tests of refusals and of programs talk a lot there; it matters when something failed.
  const errorOutput: string[] = [];
  const events = run({
    files: [...files],
    concurrency: suite.concurrency,
    signal: limit,
    // Where no name in a file matches, Node runs its `after` before its `before`: what that opens would hold the process.
    ...(only === undefined ? {} : { testNamePatterns: [only], execArgv: ['--test-force-exit'] }),
  });
  for await (const event of events) {
    if (event.type === 'test:fail') printFailure(event.data);
    if (event.type === 'test:summary' && event.data.file === undefined) {
      counts.passed = event.data.counts.passed;
      counts.failed = event.data.counts.failed + event.data.counts.cancelled;
      counts.skipped = event.data.counts.skipped + event.data.counts.todo;
    }
    if (event.type === 'test:stderr') errorOutput.push(event.data.message);
  }
  if (limit.aborted) {
    console.log(`  ${suite.name}: ended after ${HANG_FACTOR} times its budget; something hangs.`);
    counts.failed += 1;
  }
  if (counts.failed > 0) process.stderr.write(errorOutput.join(''));
  return counts;
}

interface Failure {
  readonly name: string;
  readonly file?: string | undefined;
  readonly details: { readonly error: Error & { readonly failureType?: string } };
}

function printFailure({ name, file = '', details }: Failure): void {
  // A file and a group fail because a test in them did, which has been printed.
  if (details.error.failureType === 'subtestsFailed') return;
  const cause = details.error.cause ?? details.error;
  console.log(`\n  FAILED  ${name}\n          ${file}\n${indented(inspect(cause, { depth: 6 }))}\n`);
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '          ');
}
