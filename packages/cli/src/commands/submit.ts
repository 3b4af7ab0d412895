import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { CliError } from '../cli-error.ts';
import { EXIT, EXIT_CODE_HELP } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { endpointOption, modelOption, timeoutOption } from '../job-flags.ts';
import type { JobFlags } from '../job-flags.ts';
import { exitCodeOf, summaryOf, summaryText } from '../job-report.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { clientFor, urlOption } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { stopSignals } from '../stop-signals.ts';
import { watchJob } from '../watch-job.ts';

interface SubmitFlags extends JobFlags, ServerFlags {
  readonly metadata?: Record<string, string>;
  readonly wait?: boolean;
  readonly json?: boolean;
}

export function addSubmitCommand(program: Command): void {
  program
    .command('submit')
    .summary('upload a file to a running Bora and create a job')
    .description('Uploads a JSONL file to a running Bora and creates a batch job over it.')
    .argument('<file>', 'JSONL file, one {"custom_id": …, "body": {…}} a line')
    .addOption(endpointOption())
    .addOption(modelOption())
    .addOption(timeoutOption(24))
    .option('--metadata <key=value>', 'pair to find the job by; may be repeated', addPair)
    .option('--wait', 'wait for the end and show progress')
    .addOption(urlOption())
    .option('--json', 'print JSON only')
    .addHelpText('after', EXIT_CODE_HELP)
    .action((file: string, flags: SubmitFlags) => runAction(flags, (output) => submit(file, flags, output)));
}

async function submit(path: string, flags: SubmitFlags, output: Output): Promise<ExitCode> {
  using stop = stopSignals(() => {});
  const client = clientFor(flags);
  const file = await client.files.upload({ path }, {}, stop.signal).catch((error: unknown) => {
    throw readable(error, path);
  });
  const job = await client.jobs.create(
    {
      input_files: [file.id],
      endpoint: flags.endpoint,
      model: flags.model ?? null,
      metadata: flags.metadata ?? null,
      timeout_hours: flags.timeoutHours,
    },
    stop.signal,
  );
  if (!flags.wait) {
    output.result(
      { job_id: job.id, file_id: file.id, status: job.status },
      `${job.id}\n\nThe job is in. Its results, once it has ended: bora results ${job.id} --wait -o results.jsonl`,
    );
    return EXIT.ok;
  }
  output.say(`Job ${job.id} over ${path}. It goes on if you stop watching.`);
  const summary = summaryOf(await watchJob(client, job.id, output, stop.signal));
  output.result(summary, `${summaryText(summary)}\n\nResults: bora results ${job.id} -o results.jsonl`);
  return exitCodeOf(summary);
}

function readable(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return error;
  if (!['ENOENT', 'EACCES', 'EISDIR', 'ERR_INVALID_ARG_VALUE'].includes(error.code)) return error;
  return new CliError(`Cannot read ${path}.`, { exitCode: EXIT.usage, why: error.message }, { cause: error });
}

function addPair(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be key=value.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
