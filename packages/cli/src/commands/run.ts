import { access, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BoraClient } from '@bora/client';
import { readConfig } from '@bora/server/config/config';
import type { Config } from '@bora/server/config/config';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { writeFileDurably } from '../durable-file.ts';
import { withExample, withExitCodes } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { exitWhenLost } from '../exit-when-lost.ts';
import { endpointOption, modelOption, timeoutOption } from '../job-flags.ts';
import type { JobFlags } from '../job-flags.ts';
import { exitCodeOf, summaryOf, summaryText } from '../job-report.ts';
import type { JobSummary } from '../job-report.ts';
import { addOptionFlags, optionFlagsOf } from '../option-flags.ts';
import type { Output } from '../output.ts';
import { resultBytes } from '../result-bytes.ts';
import { runAction } from '../run-action.ts';
import { findOrCreateJob } from '../run-job.ts';
import { beginRun, checkSameRun, identify, readRunState, writeRunState } from '../run-state.ts';
import type { RunIdentity, RunState } from '../run-state.ts';
import { stopSignals } from '../stop-signals.ts';
import { watchJob } from '../watch-job.ts';
import { startPrivateBora } from '../private-bora.ts';

interface RunFlags extends JobFlags {
  readonly output: string;
  readonly json?: boolean;
}

/** The longest a job may take: a run on one's own machine ends when it is done. */
const RUN_TIMEOUT_HOURS = 168;

export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .summary('run a file of requests here and now, without a server')
    .description(
      'Runs every request of a JSONL file against your inference servers and writes the results to one file, in input order. ' +
        'It needs no running Bora. Its state lies in <output>.bora/: killed and run again with the same arguments it continues ' +
        'where it was, and buys no answer again that it holds.',
    )
    .argument('<input>', 'JSONL file, one {"custom_id": …, "body": {…}} a line')
    .requiredOption(
      '-o, --output <file>',
      'the results, succeeded and failed lines, written whole at the end',
    )
    .addOption(endpointOption())
    .addOption(modelOption())
    .addOption(timeoutOption(RUN_TIMEOUT_HOURS))
    .option('--json', 'print JSON only');
  addOptionFlags(command, [
    'upstream',
    'upstreamApiKey',
    'upstreamMaxInFlight',
    'config',
    'stopGraceSeconds',
  ]);
  withExitCodes(
    withExample(
      command,
      'bora run chat.jsonl -o results.jsonl --endpoint /v1/chat/completions --model small --upstream http://gpu:8000',
    ),
  ).action((input: string, flags: RunFlags) => runAction(flags, (output) => run(input, flags, output)));
}

async function run(input: string, flags: RunFlags, output: Output): Promise<ExitCode> {
  using stop = stopSignals((name) => {
    output.say(`${name}: stopping. Once more stops at once; either way nothing that was answered is lost.`);
  });
  const folder = `${resolve(flags.output)}.bora`;
  const identity = await identify(input, flags.endpoint, flags.model ?? null, stop.signal);
  const state = await openRun(folder, flags.output, identity);
  if (state.summary !== null && (await exists(flags.output))) {
    output.say(`This run is finished already. To run it again remove ${flags.output} and ${folder}.`);
    return report(state.summary, flags.output, output);
  }
  if (state.summary !== null)
    throw new CliError(`This run is finished, but ${flags.output} is gone.`, {
      exitCode: EXIT.runChanged,
      why: 'Its answers were in that file alone.',
      whatToDo: `Bring the file back, or remove ${folder} to run everything again.`,
    });
  const summary = await finishRun(input, folder, state, flags, output, stop.signal);
  return report(summary, flags.output, output);
}

async function openRun(folder: string, output: string, identity: RunIdentity): Promise<RunState> {
  const state = await readRunState(folder);
  if (state !== null) {
    checkSameRun(folder, state, identity);
    return state;
  }
  if (await exists(output))
    throw new CliError(`${output} exists already.`, {
      exitCode: EXIT.runChanged,
      why: 'It was not made by this command, which never overwrites a file it did not begin.',
      whatToDo: 'Choose another -o, or remove the file.',
    });
  return beginRun(folder, identity);
}

async function finishRun(
  input: string,
  folder: string,
  state: RunState,
  flags: RunFlags,
  output: Output,
  signal: AbortSignal,
): Promise<JobSummary> {
  const data = join(folder, 'data');
  let begun = state;
  {
    await using bora = await startPrivateBora(data, configOf(flags), signal);
    exitWhenLost(bora, output);
    if (bora.upstreamStatus().length === 0) throw noServer();
    const client = new BoraClient({ baseUrl: bora.url });
    const request = { ...flags, input, model: flags.model ?? null };
    const job = await findOrCreateJob(client, begun, request, signal);
    const resumed = begun.jobId !== null;
    begun = { ...begun, jobId: job.id };
    await writeRunState(folder, begun);
    output.say(
      resumed
        ? `Continuing: ${job.completed_requests} of ${job.total_requests} requests are done.`
        : `Running ${input}. If it is stopped, the same command continues it.`,
    );
    const ended = await watchJob(client, job.id, output, signal);
    await writeFileDurably(flags.output, resultBytes(client.jobs.resultLines(ended, signal)), signal);
    begun = { ...begun, summary: summaryOf(ended) };
  }
  await writeRunState(folder, begun);
  // The output holds everything now. The state stays, so that the same command does not pay twice.
  await rm(data, { recursive: true, force: true });
  return begun.summary as JobSummary;
}

function configOf(flags: RunFlags): Config {
  const config = readConfig({ env: process.env, flags: optionFlagsOf({ ...flags }) });
  if (config.upstreams.length > 0 || config.localUpstreams === 'find') return config;
  throw noServer();
}

function noServer(): CliError {
  return new CliError('No inference server was named.', {
    exitCode: EXIT.usage,
    why: 'The requests of the file need one that answers them.',
    whatToDo:
      'Give --upstream http://host:8000, set BORA_UPSTREAM, describe upstreams in ./bora.yaml, or start one on its usual port here.',
  });
}

function report(summary: JobSummary, path: string, output: Output): ExitCode {
  output.result({ ...summary, output: path }, `${summaryText(summary)}\n\nResults: ${path}`);
  return exitCodeOf(summary);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
