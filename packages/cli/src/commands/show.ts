import type { Command } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { jobFields } from '../job-report.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { renderFields } from '../table.ts';

export function addShowCommand(program: Command): void {
  const command = program
    .command('show')
    .description('show all about a job: state, counts, what it waits for, files, times')
    .argument('<job>', 'id of the job');
  withExample(addServerFlags(command), 'bora show 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10').action(
    (id: string, flags: ServerFlags) => callServer(flags, (call) => show(id, call)),
  );
}

async function show(id: string, { client, output, signal }: ServerCall): Promise<ExitCode> {
  const job = await client.jobs.get(id, { inline: false }, signal);
  output.result(job, renderFields(jobFields(job, (at) => output.when(at))));
  return EXIT.ok;
}
