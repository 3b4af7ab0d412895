import { once } from 'node:events';
import type { Bora } from '@bora/server';
import { readConfig } from '@bora/server/config/config';
import type { Config } from '@bora/server/config/config';
import { OPTIONS } from '@bora/server/config/options';
import type { OptionName } from '@bora/server/config/options';
import type { Command } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addOptionFlags, optionFlagsOf } from '../option-flags.ts';
import type { Output } from '../output.ts';
import { exitWhenLost } from '../exit-when-lost.ts';
import { runAction } from '../run-action.ts';
import { startBanner } from '../start-banner.ts';
import { stopSignals } from '../stop-signals.ts';

interface ServeFlags {
  readonly json?: boolean;
}

const STOPS = `
Ctrl-C or SIGTERM stops in order: no new calls, requests in flight finish within the grace, the rest is sent again
after the next start. A second one stops at once; nothing acknowledged is lost either way.

Exit codes: 0 stopped in order, 2 told something that cannot be, 1 unexpected failure, 130 and 143 stopped at once.`;

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .summary('serve the batch API')
    .description('Serves the batch API. Flags win over the environment, that over bora.yaml.');
  addOptionFlags(command, Object.keys(OPTIONS) as OptionName[]);
  withExample(
    command.option('--json', 'print the banner as one JSON object'),
    'bora serve --upstream http://gpu:8000 --data /var/lib/bora',
  )
    .addHelpText('after', STOPS)
    .action((flags: ServeFlags) => runAction(flags, (output) => serve(flags, output)));
}

async function serve(flags: ServeFlags, output: Output): Promise<ExitCode> {
  const config = readConfig({ env: process.env, flags: optionFlagsOf({ ...flags }) });
  using stop = stopSignals((name) =>
    output.say(
      `${name}: stopping; requests in flight get ${config.stopGraceSeconds} s to finish. Once more stops at once.`,
    ),
  );
  const server = await import('@bora/server');
  await using bora = await server.Bora.create(config);
  exitWhenLost(bora, output);
  try {
    await bora.start(stop.signal);
    await announce(bora, config, output);
    if (!stop.signal.aborted) await once(stop.signal, 'abort');
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  return EXIT.ok;
}

async function announce(bora: Bora, config: Config, output: Output): Promise<void> {
  const { openAdministration } = await import('@bora/server/data-folder');
  await using records = await openAdministration(config.data);
  const facts = {
    url: bora.url,
    data: config.data,
    keys: await records.hasKeys(),
    upstreams: bora.upstreamStatus(),
  };
  if (output.json) output.result(facts, '');
  else output.say(startBanner({ ...facts, looks: config.localUpstreams === 'find' }));
}
