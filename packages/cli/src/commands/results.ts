import { once } from 'node:events';
import { isComplete } from '@bora/client/wait';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { writeFileDurably } from '../durable-file.ts';
import { EXIT, EXIT_CODE_HELP } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { exitCodeOf, summaryOf, summaryText } from '../job-report.ts';
import type { Output } from '../output.ts';
import { resultBytes } from '../result-bytes.ts';
import { runAction } from '../run-action.ts';
import { clientFor, urlOption } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { stopSignals } from '../stop-signals.ts';
import { watchJob } from '../watch-job.ts';

interface ResultsFlags extends ServerFlags {
  readonly output?: string;
  readonly wait?: boolean;
  readonly json?: boolean;
}

export function addResultsCommand(program: Command): void {
  program
    .command('results')
    .summary("fetch a job's results")
    .description(
      "Fetches the result lines of an ended job, succeeded and failed ones together, in the order of the job's input.\n" +
        'Without -o the lines go to stdout. With --json stdout holds a summary, and -o is needed for the lines.',
    )
    .argument('<job>', 'id of the job')
    .option('-o, --output <file>', 'write the lines to this file, whole or not at all')
    .option('--wait', 'wait for the end first')
    .addOption(urlOption())
    .option('--json', 'print JSON only')
    .addHelpText('after', EXIT_CODE_HELP)
    .action((job: string, flags: ResultsFlags) => runAction(flags, (output) => results(job, flags, output)));
}

async function results(jobId: string, flags: ResultsFlags, output: Output): Promise<ExitCode> {
  using stop = stopSignals(() => {});
  const client = clientFor(flags);
  const job = flags.wait
    ? await watchJob(client, jobId, output, stop.signal)
    : await client.jobs.get(jobId, { inline: false }, stop.signal);
  if (!isComplete(job))
    throw new CliError(`Job ${job.id} has no results yet.`, {
      exitCode: EXIT.usage,
      why: `It is ${job.status}, ${job.completed_requests} of ${job.total_requests} requests done.`,
      whatToDo: 'Run the command with --wait, or later.',
    });
  const summary = summaryOf(job);
  const lines = resultBytes(client, job, stop.signal);
  if (flags.output !== undefined) {
    await writeFileDurably(flags.output, lines, stop.signal);
    output.result(
      { ...summary, output: flags.output },
      `${summaryText(summary)}\n\nResults: ${flags.output}`,
    );
  } else if (flags.json) {
    output.result(summary, '');
  } else {
    for await (const bytes of lines) if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
    output.say(summaryText(summary));
  }
  return exitCodeOf(summary);
}
