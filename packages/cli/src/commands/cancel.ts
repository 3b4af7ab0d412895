import { isComplete } from '@bora/client/wait';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { Command } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { stateText } from '../job-report.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';

export function addCancelCommand(program: Command): void {
  const command = program
    .command('cancel')
    .summary('stop jobs')
    .description(
      'Stops jobs. What is in flight may still finish, and results that are there stay. A job that has ended is left as it is.',
    )
    .argument('<job...>', 'ids of jobs');
  withExample(addServerFlags(command), 'bora cancel 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10').action(
    (ids: string[], flags: ServerFlags) => callServer(flags, (call) => cancel(ids, call)),
  );
}

/** Each job's answer is said as it comes, so that what was done is known if a later one is refused. */
async function cancel(ids: readonly string[], { client, output, signal }: ServerCall): Promise<ExitCode> {
  for (const id of ids) {
    const job = await client.jobs.cancel(id, signal);
    output.result({ job_id: job.id, status: job.status }, `${job.id}  ${answerText(job)}`);
  }
  return EXIT.ok;
}

function answerText(job: BatchJob): string {
  return isComplete(job) && job.status !== 'CANCELLED' ? `had ended: ${stateText(job)}` : stateText(job);
}
