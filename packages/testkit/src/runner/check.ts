import { spawnSync } from 'node:child_process';

const CHECKS = ['check:format', 'check:lint', 'check:types', 'check:dead'] as const;

/** Format, lint, types and dead code, as `npm run check` does; a failing one's output is shown in full. */
export function runChecks(): { passed: number; failed: number } {
  let failed = 0;
  for (const check of CHECKS) {
    const result = spawnSync('npm', ['run', '--silent', check], { encoding: 'utf8' });
    if (result.status === 0) continue;
    failed += 1;
    console.log(`\n  FAILED  npm run ${check}\n${result.stdout}${result.stderr}`);
  }
  return { passed: CHECKS.length - failed, failed };
}
