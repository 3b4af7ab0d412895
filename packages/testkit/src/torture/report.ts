import { STOP_POINTS } from '@bora/server/observe/stop-points';
import { FINDINGS } from './audit.ts';
import type { TortureBooks } from './books.ts';

export interface TortureReport {
  readonly seed: number;
  readonly kills: number;
  readonly points: readonly { readonly point: string; readonly aimed: number; readonly fallen: number }[];
  readonly found: readonly { readonly found: string; readonly kills: number }[];
  readonly unvisited: readonly string[];
  readonly checkedStarts: number;
  readonly jobsEnded: number;
  readonly requestsEnded: number;
  readonly requestsSentAgain: number;
  readonly poisoned: number;
  readonly seconds: number;
  readonly violation: string | null;
}

/** Where the kills fell. With `only` nothing else is expected to be visited. */
export function reportOf(books: TortureBooks, violation: string | null, only: string | null): TortureReport {
  const points = ['start', ...STOP_POINTS].map((point) => ({
    point,
    aimed: books.aimed[point] ?? 0,
    fallen: books.fallen[point] ?? 0,
  }));
  const found = FINDINGS.map((finding) => ({ found: finding, kills: books.found[finding] ?? 0 }));
  const unvisited =
    only !== null
      ? points.filter(({ point, aimed }) => point === only && aimed === 0).map(({ point }) => point)
      : [
          ...points
            .filter(({ point, aimed, fallen }) => (point === 'start' ? fallen : aimed) === 0)
            .map(({ point }) => point),
          ...found.filter(({ kills }) => kills === 0).map((finding) => finding.found),
        ];
  const { seed, kills, checkedStarts, jobsEnded, requestsEnded, requestsSentAgain, poisoned, seconds } =
    books;
  const sums = { seed, kills, checkedStarts, jobsEnded, requestsEnded, requestsSentAgain, poisoned };
  return { ...sums, points, found, unvisited, seconds: Math.round(seconds), violation };
}

export function reportText(report: TortureReport): string {
  const { points, found, unvisited, violation } = report;
  const rows = [
    row('last stop point', 'killed there', 'killed behind it'),
    ...points.map(({ point, aimed, fallen }) => row(point, point === 'start' ? '' : aimed, fallen)),
    '',
    row('what lay in the folder', 'kills', ''),
    ...found.map((finding) => row(finding.found, finding.kills, '')),
    '',
    `${report.kills} kills (seed ${report.seed}) in ${report.seconds} s; all acknowledged was looked at after ${report.checkedStarts} starts.`,
    `${report.jobsEnded} jobs ended with ${report.requestsEnded} lines; ${report.requestsSentAgain} requests were in flight at a kill and sent again, ${report.poisoned} ended as poison.`,
    ...(unvisited.length > 0 ? [`NOT VISITED: ${unvisited.join(', ')}`] : []),
    ...(violation === null ? [] : [`BROKEN: ${violation}`]),
  ];
  return rows.map((line) => line.trimEnd()).join('\n');
}

function row(name: string, ...counts: readonly (string | number)[]): string {
  return name.padEnd(30) + counts.map((count) => String(count).padStart(18)).join('');
}
