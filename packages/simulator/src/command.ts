import { systemClock } from './clock.ts';
import type { SimulatorClock } from './clock.ts';
import { valueText } from './read-settings.ts';
import { DEFAULT_SETTINGS, SETTING_NAMES } from './settings.ts';
import type { SimulatorSettings } from './settings.ts';
import { startSimulator } from './simulator.ts';
import type { Simulator } from './simulator.ts';
import type { SimulatorStats } from './stats.ts';

/** Where the command writes: `process.stdout`, or what a test reads. On a terminal a line of figures is kept up to date. */
export interface CommandOutput {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface CommandContext {
  readonly out: CommandOutput;
  readonly clock?: SimulatorClock;
  /** Ends the simulator. */
  readonly signal: AbortSignal;
}

const STATUS_EVERY_MS = 1000;
const CLEAR_LINE = '\r\u001B[2K';

/**
 * What `bora simulate` does: starts a simulator, says where and how, and serves until the signal aborts; then says what it counted.
 * @throws SettingsError if a setting cannot be used; the system's error if the port is taken.
 */
export async function runSimulator(
  settings: Partial<SimulatorSettings>,
  { out, clock = systemClock, signal }: CommandContext,
): Promise<void> {
  await using simulator = await startSimulator(settings, { clock });
  out.write(greeting(simulator));
  const stopStatus = out.isTTY === true ? keepStatus(simulator, out, clock) : null;
  await aborted(signal);
  stopStatus?.();
  out.write(`${statusLine(simulator.stats(), null)}\n`);
}

function greeting({ url, settings }: Simulator): string {
  const [model] = settings.models;
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] });
  const changed = SETTING_NAMES.filter(
    (name) =>
      !['host', 'port', 'models', 'apiKey'].includes(name) && settings[name] !== DEFAULT_SETTINGS[name],
  ).map((name) => `${name}=${valueText(settings[name])}`);
  const key = settings.apiKey === null ? '' : `-H 'authorization: Bearer <key>' `;
  return [
    `The simulator answers on ${url}. No model is involved: its answers are made up.`,
    `  models    ${settings.models.join(', ')}`,
    `  settings  ${changed.length === 0 ? 'as by default' : changed.join('  ')}`,
    `  try       curl ${url}/v1/chat/completions ${key}-H 'content-type: application/json' -d '${body}'`,
    `  counts    curl ${url}/simulator/stats`,
    'Ctrl-C stops it.',
    '',
  ].join('\n');
}

/** Writes the figures over themselves once a second, until the returned function is called. */
function keepStatus(simulator: Simulator, out: CommandOutput, clock: SimulatorClock): () => void {
  let requests = 0;
  let cancel = (): void => {};
  const show = (): void => {
    const stats = simulator.stats();
    // A reset takes the count back below the one before.
    const perSecond = Math.max(0, stats.requests - requests) / (STATUS_EVERY_MS / 1000);
    requests = stats.requests;
    out.write(`${CLEAR_LINE}${statusLine(stats, perSecond)}`);
    cancel = clock.after(STATUS_EVERY_MS, show);
  };
  show();
  return () => {
    cancel();
    out.write(CLEAR_LINE);
  };
}

function statusLine(stats: SimulatorStats, perSecond: number | null): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const answers = Object.entries(stats.answersByStatus).map(
    ([status, count]) => `${number(count)} × ${status}`,
  );
  const parts = [
    `${number(stats.requests)} requests${perSecond === null ? '' : ` (${number(perSecond)} per second)`}`,
    `${number(stats.running)} running`,
    `${number(stats.waiting)} waiting`,
    ...(answers.length === 0 ? [] : [`answered ${answers.join(', ')}`]),
    ...(stats.resets === 0 ? [] : [`${number(stats.resets)} reset`]),
    ...(stats.abandoned === 0 ? [] : [`${number(stats.abandoned)} abandoned by the client`]),
  ];
  return parts.join(' · ');
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
}
