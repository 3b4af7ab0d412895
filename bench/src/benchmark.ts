/** What a benchmark is given. */
export interface Setup {
  /** How often to measure; the median counts. */
  readonly runs: number;
  /** Small sizes: to see that it works, not to believe the figures. */
  readonly isQuick: boolean;
  /** Empty, on the disk that is measured; removed afterwards. */
  readonly folder: string;
  /** Tells whoever waits what happens now. */
  say(text: string): void;
}

export interface FigureDefinition {
  readonly label: string;
  readonly unit: '' | '%' | 's' | 'ms' | 'µs' | 'MB' | 'MB/s' | '/s';
  /** What it must keep; absent: a figure that explains another one. */
  readonly limit?: { readonly atLeast: number } | { readonly atMost: number };
}

/** One question about speed. `measure` yields one value per figure and run. */
export interface Benchmark<Name extends string = string> {
  readonly name: string;
  readonly question: string;
  /** Sizes and settings that the figures hold for. */
  configuration(setup: Setup): string;
  readonly figures: Readonly<Record<Name, FigureDefinition>>;
  measure(setup: Setup): AsyncGenerator<Readonly<Record<Name, number>>, void, undefined>;
}
