import { once } from 'node:events';
import { flagOf, rangeText, settingsFromText, SettingsError, valueText } from '@bora/simulator/read-settings';
import { SETTING_NAMES, SETTINGS } from '@bora/simulator/settings';
import type { SimulatorSettings } from '@bora/simulator/settings';
import type { Command } from 'commander';
import { Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { stopSignals } from '../stop-signals.ts';

const EXITS = `
Exit codes: 0 stopped, 2 a setting cannot be used, 1 unexpected failure, such as a port that is taken.`;

interface SimulateFlags extends Readonly<Record<string, string | boolean | undefined>> {
  readonly json?: boolean;
}

export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .summary('an inference server without a model, to try things on')
    .description(
      'Starts a server that answers every endpoint of the batch API without a model: answers are made up, but latency, ' +
        'tokens, overload and failures are what you set.',
    );
  for (const name of SETTING_NAMES) {
    const { kind, description, default: standard } = SETTINGS[name];
    const flag = kind === 'switch' ? flagOf(name) : `${flagOf(name)} <value>`;
    const more = kind === 'switch' ? '' : ` (${rangeText(SETTINGS[name])}; default ${valueText(standard)})`;
    command.addOption(new Option(flag, description + more));
  }
  withExample(
    command.option('--json', 'print where it listens as one JSON object'),
    'bora simulate --models small,large --slots 8',
  )
    .addHelpText('after', EXITS)
    .action((flags: SimulateFlags) => runAction(flags, (output) => simulate(flags, output)));
}

async function simulate({ json, ...texts }: SimulateFlags, output: Output): Promise<ExitCode> {
  using stop = stopSignals(() => {});
  const settings = settingsFromText(texts);
  try {
    // Loaded only here, as no other command needs them.
    const { runSimulator } = await import('@bora/simulator/command');
    if (json) await simulateForPrograms(settings, output, stop.signal);
    else await runSimulator(settings, { out: process.stdout, signal: stop.signal });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new CliError(error.message, { exitCode: EXIT.usage }, { cause: error });
  }
  return EXIT.ok;
}

async function simulateForPrograms(
  settings: Partial<SimulatorSettings>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { startSimulator } = await import('@bora/simulator/simulator');
  await using simulator = await startSimulator(settings);
  output.result({ url: simulator.url, models: simulator.settings.models }, '');
  if (!signal.aborted) await once(signal, 'abort');
}
