import type { Benchmark, FigureDefinition } from './benchmark.ts';
import { median } from './median.ts';

export interface FigureReport extends FigureDefinition {
  readonly median: number;
  /** One per run, in their order. */
  readonly values: readonly number[];
  /** Null without a limit. */
  readonly isMet: boolean | null;
}

export interface BenchmarkReport {
  readonly name: string;
  readonly question: string;
  readonly configuration: string;
  readonly figures: Readonly<Record<string, FigureReport>>;
  /** Processor time of programs that are not ours, per run, in percent of all cores: what makes figures doubtful. */
  readonly othersPercent: readonly number[];
}

export function reportOf(
  { name, question, figures }: Benchmark,
  configuration: string,
  runs: readonly Readonly<Record<string, number>>[],
  othersPercent: readonly number[],
): BenchmarkReport {
  const reported = Object.entries(figures).map(([key, definition]): [string, FigureReport] => {
    const values = runs.map((run) => run[key]);
    const middle = median(values);
    return [key, { ...definition, median: middle, values, isMet: isMet(middle, definition.limit) }];
  });
  return { name, question, configuration, figures: Object.fromEntries(reported), othersPercent };
}

export function missesOf({ figures }: BenchmarkReport): string[] {
  return Object.values(figures).flatMap(({ isMet: met, label }) => (met === false ? [label] : []));
}

/** For people, one figure a line. */
export function textOf({ name, question, configuration, figures, othersPercent }: BenchmarkReport): string {
  const shown = Object.values(figures);
  const width = Math.max(...shown.map(({ label }) => label.length));
  const lines = shown.map(({ label, unit, median: middle, values, limit, isMet: met }) => {
    const value = `${digits(middle)}${unit === '' ? '' : ` ${unit}`}`;
    const verdict = met === null ? '' : `${limitText(limit)}  ${met ? 'met' : 'MISSED'}`;
    return `  ${label.padEnd(width)}  ${value.padStart(11)}  ${verdict.padEnd(16)}  (${values.map(digits).join(', ')})`;
  });
  return [
    `${name}: ${question}`,
    `  ${configuration}`,
    ...lines,
    `  other programs used ${othersPercent.map(digits).join(', ')} % of the machine`,
    '',
  ].join('\n');
}

function isMet(value: number, limit: FigureDefinition['limit']): boolean | null {
  if (limit === undefined) return null;
  return 'atLeast' in limit ? value >= limit.atLeast : value <= limit.atMost;
}

function limitText(limit: FigureDefinition['limit']): string {
  if (limit === undefined) return '';
  return 'atLeast' in limit ? `≥ ${limit.atLeast}` : `≤ ${limit.atMost}`;
}

/** Three significant digits; no more are worth reading. */
function digits(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en-US');
  return Number(value.toPrecision(3)).toString();
}
