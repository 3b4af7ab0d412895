import type { Upstream } from '@bora/protocol/bora-upstreams';
import type { Command } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { modelsText } from '../models-text.ts';
import type { Output } from '../output.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { renderTable } from '../table.ts';

interface PauseFlags extends ServerFlags {
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

  upstreamsCommand(upstreams, 'list', 'show all, as they are now', 'bora upstreams list', {
    isDefault: true,
  }).action((flags: ServerFlags) => callServer(flags, list));

  upstreamsCommand(
    upstreams,
    'pause',
    'send nothing more to one, over restarts too; what is in flight goes on',
    "bora upstreams pause gpu:8000 --reason 'new cards'",
  )
    .argument('<name>', 'as `bora upstreams` shows it')
    .option('--reason <text>', 'shown on jobs that wait for it')
    .action((name: string, flags: PauseFlags) =>
      callServer(flags, async ({ client, output, signal }) =>
        show(await client.upstreams.pause(name, flags.reason, signal), output),
      ),
    );

  upstreamsCommand(
    upstreams,
    'resume',
    'end a pause, or do not wait for the next probe of one that is down',
    'bora upstreams resume gpu:8000',
  )
    .argument('<name>', 'as `bora upstreams` shows it')
    .action((name: string, flags: ServerFlags) =>
      callServer(flags, async ({ client, output, signal }) =>
        show(await client.upstreams.resume(name, signal), output),
      ),
    );
}

function upstreamsCommand(
  parent: Command,
  name: string,
  description: string,
  example: string,
  options: { readonly isDefault?: boolean } = {},
): Command {
  return withExample(addServerFlags(parent.command(name, options).description(description)), example);
}

async function list({ client, output, signal }: ServerCall): Promise<ExitCode> {
  const upstreams = await client.upstreams.list(signal);
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
