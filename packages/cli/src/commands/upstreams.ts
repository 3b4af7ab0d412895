import type { Upstream } from '@bora/protocol/bora-upstreams';
import type { Command } from 'commander';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { modelsText } from '../models-text.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { clientFor, urlOption } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { renderTable } from '../table.ts';

interface UpstreamsFlags extends ServerFlags {
  readonly json?: boolean;
}

interface PauseFlags extends UpstreamsFlags {
  readonly reason?: string;
}

const COLUMNS = [
  { title: 'name' },
  { title: 'url' },
  { title: 'health' },
  { title: 'models', maxWidth: 60 },
  { title: 'window', align: 'right' },
  { title: 'in flight', align: 'right' },
  { title: 'why' },
] as const;

/** Asks a running Bora, with a key of the scope admin where it has keys. */
export function addUpstreamsCommand(program: Command): void {
  const upstreams = program
    .command('upstreams')
    .description('the inference servers behind a running Bora: how they are, pause and resume');

  upstreamsCommand(upstreams, 'list', 'show all, as they are now', { isDefault: true }).action(
    (flags: UpstreamsFlags) => runAction(flags, (output) => list(flags, output)),
  );

  upstreamsCommand(
    upstreams,
    'pause',
    'send nothing more to one, over restarts too; what is in flight goes on',
  )
    .argument('<name>', 'as `bora upstreams` shows it')
    .option('--reason <text>', 'shown on jobs that wait for it')
    .action((name: string, flags: PauseFlags) =>
      runAction(flags, async (output) =>
        show(await clientFor(flags).upstreams.pause(name, flags.reason), output),
      ),
    );

  upstreamsCommand(upstreams, 'resume', 'end a pause, or do not wait for the next probe of one that is down')
    .argument('<name>', 'as `bora upstreams` shows it')
    .action((name: string, flags: UpstreamsFlags) =>
      runAction(flags, async (output) => show(await clientFor(flags).upstreams.resume(name), output)),
    );
}

function upstreamsCommand(
  parent: Command,
  name: string,
  description: string,
  options: { readonly isDefault?: boolean } = {},
): Command {
  return parent
    .command(name, options)
    .description(description)
    .addOption(urlOption())
    .option('--json', 'print JSON only');
}

async function list(flags: UpstreamsFlags, output: Output): Promise<ExitCode> {
  const upstreams = await clientFor(flags).upstreams.list();
  const none = 'There is no upstream. Name one with BORA_UPSTREAM, or describe several in bora.yaml.';
  output.result({ upstreams }, upstreams.length === 0 ? none : renderTable(COLUMNS, upstreams.map(rowOf)));
  return EXIT.ok;
}

function show(upstream: Upstream, output: Output): ExitCode {
  const { name, state, reason } = upstream;
  output.result(upstream, reason === null ? `${name}: ${state}` : `${name}: ${state}; it ${reason}`);
  return EXIT.ok;
}

function rowOf(upstream: Upstream): string[] {
  const { name, url, state, serves, in_flight } = upstream;
  return [
    name,
    url,
    state,
    modelsText(serves),
    String(windowOf(upstream)),
    String(in_flight),
    whyOf(upstream),
  ];
}

/** How many requests at once it gets now. */
function windowOf({ max_in_flight, models }: Upstream): number {
  if (models.length === 0) return max_in_flight;
  return Math.min(
    max_in_flight,
    models.reduce((sum, { window }) => sum + window, 0),
  );
}

function whyOf({ reason, waits_for, models }: Upstream): string {
  if (reason !== null) return reason;
  const ofModels = models.flatMap((model) =>
    model.reason === null ? [] : [`${model.model}: ${model.reason}`],
  );
  return ofModels.length > 0 ? ofModels.join('; ') : (waits_for ?? '');
}
