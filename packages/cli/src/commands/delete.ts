import type { Command } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';

export function addDeleteCommand(program: Command): void {
  const command = program
    .command('delete')
    .summary('remove jobs')
    .description(
      'Removes jobs from the list, cancelling those that run. Their files stay: bora files delete removes those.',
    )
    .argument('<job...>', 'ids of jobs');
  withExample(addServerFlags(command), 'bora delete 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10').action(
    (ids: string[], flags: ServerFlags) => callServer(flags, (call) => deleteJobs(ids, call)),
  );
}

async function deleteJobs(ids: readonly string[], { client, output, signal }: ServerCall): Promise<ExitCode> {
  for (const id of ids) {
    const { deleted } = await client.jobs.delete(id, signal);
    output.result({ job_id: id, deleted }, `${id}  deleted`);
  }
  return EXIT.ok;
}
