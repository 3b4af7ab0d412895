import { END_STATUSES, JOB_STATUSES } from '@bora/protocol/mistral-jobs';
import type { BatchJob, JobStatus } from '@bora/protocol/mistral-jobs';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { withExample } from '../command-help.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addPair, limitOption } from '../flag-values.ts';
import { countText, countedText } from '../human-text.ts';
import { stateText } from '../job-report.ts';
import { callServer } from '../run-action.ts';
import type { ServerCall } from '../run-action.ts';
import { addServerFlags } from '../server-flags.ts';
import type { ServerFlags } from '../server-flags.ts';
import { renderTable } from '../table.ts';

interface ListFlags extends ServerFlags {
  readonly status?: readonly JobStatus[];
  readonly model?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly mine?: boolean;
  readonly limit: number;
}

const COLUMNS = [
  { title: 'job' },
  { title: 'state' },
  { title: 'done', align: 'right' },
  { title: 'failed', align: 'right' },
  { title: 'endpoint' },
  { title: 'model', maxWidth: 40 },
  { title: 'created' },
] as const;

export function addLsCommand(program: Command): void {
  const command = program
    .command('ls')
    .description('list jobs, newest first')
    .option('--status <list>', `any of ${JOB_STATUSES.join(', ')}; or active, or ended`, readStatuses)
    .option('--model <name>', 'of this model')
    .option('--metadata <key=value>', 'with this pair; may be repeated', addPair)
    .option('--mine', 'created by the user of the key')
    .addOption(limitOption('jobs'));
  withExample(addServerFlags(command), 'bora ls --status active').action((flags: ListFlags) =>
    callServer(flags, (call) => list(flags, call)),
  );
}

async function list(flags: ListFlags, { client, output, signal }: ServerCall): Promise<ExitCode> {
  const { status, model, metadata, mine, limit } = flags;
  const { data, total } = await client.jobs.list(
    {
      page_size: limit,
      ...(status === undefined ? {} : { status }),
      ...(model === undefined ? {} : { model }),
      ...(metadata === undefined ? {} : { metadata }),
      ...(mine === undefined ? {} : { created_by_me: mine }),
    },
    signal,
  );
  const rows = data.map((job) => [
    job.id,
    stateText(job),
    doneText(job),
    countText(job.failed_requests),
    job.endpoint,
    job.model ?? '',
    output.when(job.created_at),
  ]);
  output.result({ jobs: data, total }, data.length === 0 ? 'No job matches.' : renderTable(COLUMNS, rows));
  if (total > data.length)
    output.say(`\n${countedText(total - data.length, 'older job')} not shown; see more with --limit.`);
  return EXIT.ok;
}

function doneText({ completed_requests: done, total_requests: total }: BatchJob): string {
  return total === 0 ? '' : `${countText(done)}/${countText(total)}`;
}

function readStatuses(text: string): JobStatus[] {
  return text.split(',').flatMap((part): JobStatus[] => {
    const word = part.trim().toUpperCase();
    if (word === 'ENDED') return [...END_STATUSES];
    const ended: readonly JobStatus[] = END_STATUSES;
    if (word === 'ACTIVE') return JOB_STATUSES.filter((known) => !ended.includes(known));
    const status = JOB_STATUSES.find((known) => known === word);
    if (status === undefined)
      throw new InvalidArgumentError(`Known are ${JOB_STATUSES.join(', ')}, active, ended.`);
    return [status];
  });
}
