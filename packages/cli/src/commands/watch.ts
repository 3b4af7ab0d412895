import type { Command } from 'commander';
import { withExample, withExitCodes } from '../command-help.ts';
import type { ExitCode } from '../exit-codes.ts';
import { exitCodeOf, summaryOf, summaryText } from '../job-report.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { watchJob } from '../watch-job.ts';

export function addWatchCommand(program: Command): void {
  const command = program
    .command('watch')
    .summary('show how a job goes on until it ends')
    .description('Shows how a job goes on until it ends. Ctrl-C stops watching; the job goes on.')
    .argument('<job>', 'id of the job');
  withExitCodes(
    withExample(addServerFlags(command), 'bora watch 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10'),
  ).action((id: string, flags: ServerFlags) => callServer(flags, (call) => watch(id, call)));
}

async function watch(id: string, { client, output, signal }: ServerCall): Promise<ExitCode> {
  // Waiting tolerates a job that is not there yet, as Mistral's service needs; with Bora it is a mistyped id.
  await client.jobs.get(id, { inline: false }, signal);
  const summary = summaryOf(await watchJob(client, id, output, signal));
  output.result(summary, summaryText(summary));
  output.say(`\nIts results: bora results ${id} -o results.jsonl`);
  return exitCodeOf(summary);
}
