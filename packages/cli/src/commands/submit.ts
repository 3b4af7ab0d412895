import type { Command } from 'commander';
import { withExample, withExitCodes } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addPair } from '../flag-values.ts';
import { endpointOption, modelOption, timeoutOption } from '../job-flags.ts';
import type { JobFlags } from '../job-flags.ts';
import { exitCodeOf, summaryOf, summaryText } from '../job-report.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { uploadPath } from '../upload-path.ts';
import { watchJob } from '../watch-job.ts';

interface SubmitFlags extends JobFlags, ServerFlags {
  readonly metadata?: Record<string, string>;
  readonly wait?: boolean;
}

export function addSubmitCommand(program: Command): void {
  const command = program
    .command('submit')
    .summary('upload a file to a running Bora and create a job')
    .description('Uploads a JSONL file to a running Bora and creates a batch job over it.')
    .argument('<file>', 'JSONL file, one {"custom_id": …, "body": {…}} a line')
    .addOption(endpointOption())
    .addOption(modelOption())
    .addOption(timeoutOption(24))
    .option('--metadata <key=value>', 'pair to find the job by; may be repeated', addPair)
    .option('--wait', 'wait for the end and show progress');
  withExitCodes(
    withExample(
      addServerFlags(command),
      'bora submit examples/chat.jsonl --endpoint /v1/chat/completions --model small --wait',
    ),
  ).action((file: string, flags: SubmitFlags) => callServer(flags, (call) => submit(file, flags, call)));
}

async function submit(
  path: string,
  flags: SubmitFlags,
  { client, output, signal }: ServerCall,
): Promise<ExitCode> {
  const file = await uploadPath(client, path, {}, signal);
  const job = await client.jobs.create(
    {
      input_files: [file.id],
      endpoint: flags.endpoint,
      model: flags.model ?? null,
      metadata: flags.metadata ?? null,
      timeout_hours: flags.timeoutHours,
    },
    signal,
  );
  if (!flags.wait) {
    output.result({ job_id: job.id, file_id: file.id, status: job.status }, job.id);
    output.say(
      `\nThe job is in. Its results, once it has ended: bora results ${job.id} --wait -o results.jsonl`,
    );
    return EXIT.ok;
  }
  output.say(`Job ${job.id} over ${path}. It goes on if you stop watching.`);
  const summary = summaryOf(await watchJob(client, job.id, output, signal));
  output.result(summary, summaryText(summary));
  output.say(`\nIts results: bora results ${job.id} -o results.jsonl`);
  return exitCodeOf(summary);
}
