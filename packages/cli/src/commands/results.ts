import { once } from 'node:events';
import { isComplete } from '@bora/client/wait';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { writeFileDurably } from '../durable-file.ts';
import { withExample, withExitCodes } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { exitCodeOf, soFarText, summaryOf, summaryText } from '../job-report.ts';
import { resultBytes } from '../result-bytes.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { watchJob } from '../watch-job.ts';

interface ResultsFlags extends ServerFlags {
  readonly output?: string;
  readonly wait?: boolean;
  readonly partial?: boolean;
}

export function addResultsCommand(program: Command): void {
  const command = program
    .command('results')
    .summary("fetch a job's results")
    .description(
      "Fetches the result lines of an ended job, succeeded and failed ones together, in the order of the job's input.\n" +
        'Without -o the lines go to stdout. With --json stdout holds a summary, and -o is needed for the lines.',
    )
    .argument('<job>', 'id of the job')
    .option('-o, --output <file>', 'write the lines to this file, whole or not at all')
    .option('--wait', 'wait for the end first')
    .option('--partial', 'do not wait for the end: the lines that are there, in order');
  withExitCodes(
    withExample(
      addServerFlags(command),
      'bora results 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10 --wait -o results.jsonl',
    ),
  ).action((job: string, flags: ResultsFlags) => callServer(flags, (call) => results(job, flags, call)));
}

async function results(
  jobId: string,
  flags: ResultsFlags,
  { client, output, signal }: ServerCall,
): Promise<ExitCode> {
  const job = flags.wait
    ? await watchJob(client, jobId, output, signal)
    : await client.jobs.get(jobId, { inline: false }, signal);
  const isEnded = isComplete(job);
  if (!isEnded && !flags.partial)
    throw new CliError(`Job ${job.id} has no results yet.`, {
      exitCode: EXIT.usage,
      why: `It is ${job.status}, ${job.completed_requests} of ${job.total_requests} requests done.`,
      whatToDo: 'Run the command with --wait, or later. With --partial it gives what is there.',
    });
  const summary = summaryOf(job);
  const report = isEnded ? summaryText(summary) : soFarText(summary);
  const lines = resultBytes(
    isEnded ? client.jobs.resultLines(job, signal) : client.jobs.partialResultLines(job.id, signal),
  );
  if (flags.output !== undefined) {
    await writeFileDurably(flags.output, lines, signal);
    output.result({ ...summary, output: flags.output }, `${report}\n\nResults: ${flags.output}`);
  } else if (flags.json) {
    output.result(summary, '');
  } else {
    for await (const bytes of lines)
      if (!process.stdout.write(bytes)) await once(process.stdout, 'drain', { signal });
    output.say(report);
  }
  return isEnded ? exitCodeOf(summary) : EXIT.ok;
}
