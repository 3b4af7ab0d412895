/**
 * The suites of `npm test`, in the order in which they run: a file's suffix says what it needs, and so which suite it is
 * in. Budgets are seconds on two cores; together they stay under ten minutes.
 */
export interface Suite {
  readonly name: string;
  /** One sentence for `--help`. */
  readonly about: string;
  readonly budgetSeconds: number;
  /** Files at once. Suites that measure time limits of real processes run alone. */
  readonly concurrency: number;
  owns(file: string): boolean;
}

const SPECIAL = ['.e2e.test.ts', '.crash.test.ts'];

export const SUITES: readonly Suite[] = [
  {
    name: 'unit',
    about: 'rooms and packages by themselves, contracts and properties',
    budgetSeconds: 150,
    concurrency: 2,
    owns: (file) => file.endsWith('.test.ts') && !SPECIAL.some((suffix) => file.endsWith(suffix)),
  },
  {
    name: 'e2e',
    about: 'a whole Bora through its front door, with official SDKs and the command line',
    budgetSeconds: 240,
    concurrency: 2,
    owns: (file) => file.endsWith('.e2e.test.ts'),
  },
  {
    name: 'crash',
    about: 'real processes killed at every stop point',
    budgetSeconds: 120,
    concurrency: 1,
    owns: (file) => file.endsWith('.crash.test.ts'),
  },
];

export const CHECK_BUDGET_SECONDS = 60;
