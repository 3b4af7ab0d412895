import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { EXIT } from './exit-codes.ts';
import type { ExitCode } from './exit-codes.ts';
import { countText, countedText, durationText } from './human-text.ts';
import type { ProgressView } from './progress.ts';

/** Kinds of failure that a summary names. */
const ERRORS_SHOWN = 5;

/** What a job came to, or has come to; also the `--json` form. */
export interface JobSummary {
  readonly job_id: string;
  readonly status: BatchJob['status'];
  readonly total: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly seconds: number;
  readonly errors: BatchJob['errors'];
  readonly failure: string | null;
}

export function summaryOf(job: BatchJob): JobSummary {
  return {
    job_id: job.id,
    status: job.status,
    total: job.total_requests,
    succeeded: job.succeeded_requests,
    failed: job.failed_requests,
    input_tokens: job.bora?.usage?.input_tokens ?? 0,
    output_tokens: job.bora?.usage?.output_tokens ?? 0,
    seconds: Math.max(0, (job.completed_at ?? job.created_at) - job.created_at),
    errors: job.errors,
    failure: job.bora?.failure ?? null,
  };
}

export function summaryText(summary: JobSummary): string {
  const { succeeded, failed, total, status } = summary;
  const time = summary.seconds === 0 ? 'under a second' : durationText(summary.seconds * 1000);
  const head =
    status === 'SUCCESS'
      ? `${countedText(total, 'request')} in ${time}: ${countText(succeeded)} succeeded, ${countText(failed)} failed`
      : `${status} after ${time}: ${countText(succeeded)} succeeded, ${countText(failed)} failed, ` +
        `${countText(total - succeeded - failed)} never completed`;
  const tokens = `${countText(summary.input_tokens)} tokens in, ${countText(summary.output_tokens)} out`;
  const errors = summary.errors
    .slice(0, ERRORS_SHOWN)
    .map((error) => `${countText(error.count)} × ${error.message}`);
  return [head, tokens, ...(summary.failure === null ? [] : [summary.failure]), ...errors].join('\n  ');
}

/** Of a job that runs: what it has come to. */
export function soFarText({ status, total, succeeded, failed }: JobSummary): string {
  const done = `${countText(succeeded + failed)} of ${countedText(total, 'request')} done`;
  return `${status}, ${done}: ${countText(succeeded)} succeeded, ${countText(failed)} failed`;
}

export function exitCodeOf(summary: JobSummary): ExitCode {
  if (summary.status !== 'SUCCESS') return EXIT.jobIncomplete;
  return summary.failed > 0 ? EXIT.linesFailed : EXIT.ok;
}

export function progressOf(job: BatchJob): ProgressView {
  return {
    done: job.completed_requests,
    failed: job.failed_requests,
    total: job.total_requests,
    state: stateText(job),
    waiting: job.bora?.waiting ?? [],
  };
}

/** What the job is doing, or how it ended, in a word or two: `planning`, `running`, `success`. */
export function stateText(job: BatchJob): string {
  const state = job.bora?.state ?? job.status.toLowerCase().replaceAll('_', ' ');
  return state === 'validating' ? 'planning' : state;
}

/** All about a job, for people; `when` writes a moment given in Unix seconds. */
export function jobFields(
  job: BatchJob,
  when: (at: number | null) => string,
): (readonly [name: string, value: string])[] {
  const { input_tokens = 0, output_tokens = 0 } = job.bora?.usage ?? {};
  const metadata = Object.entries(job.metadata ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    ['job', job.id],
    ['state', stateText(job)],
    ['failure', job.bora?.failure ?? ''],
    ...(job.bora?.waiting ?? []).map((why) => ['waits', why] as const),
    ['endpoint', job.endpoint],
    ['model', job.model ?? 'as each line says'],
    ['requests', countText(job.total_requests)],
    ['succeeded', countText(job.succeeded_requests)],
    ['failed', countText(job.failed_requests)],
    ...job.errors
      .slice(0, ERRORS_SHOWN)
      .map((error) => ['', `${countText(error.count)} × ${error.message}`] as const),
    ['tokens', `${countText(input_tokens)} in, ${countText(output_tokens)} out`],
    ['created', when(job.created_at)],
    ['started', when(job.started_at)],
    ['ended', when(job.completed_at)],
    ['time is up', job.completed_at === null ? when(job.bora?.deadline_at ?? null) : ''],
    ['metadata', metadata.join(', ')],
    ...job.input_files.map((id) => ['input file', id] as const),
    ['output file', job.output_file ?? ''],
    ['error file', job.error_file ?? ''],
  ];
}
