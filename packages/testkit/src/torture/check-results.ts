import type { BatchJob, JobStatus } from '@bora/protocol/mistral-jobs';
import { type JobBook, requestsOf, type TortureBooks } from './books.ts';
import { type Life, PromiseBroken } from './life.ts';
import { customIdOf, fingerprint, requestAt } from './request-sets.ts';

/** Codes of the lines that OpenAI's dialect has for requests without an outcome. */
const UNANSWERED = ['batch_cancelled', 'batch_expired'];
/** Hexadecimal, at the end of its line ids. */
const ORDINAL_DIGITS = 12;

/** Holds an ended job to everything that was promised of its end, and writes its results down. */
export async function checkResults(
  life: Life,
  books: TortureBooks,
  book: JobBook,
  job: BatchJob,
): Promise<void> {
  const broken = (what: string): PromiseBroken => new PromiseBroken(`Job ${job.id} (${job.status}) ${what}`);
  if (!mayEndAs(book).includes(job.status)) throw broken('should not have ended like this.');
  if (job.status === 'SUCCESS' && job.completed_requests !== requestsOf(book)) {
    throw broken(`completed ${job.completed_requests} of ${requestsOf(book)} requests.`);
  }
  if (job.completed_requests !== job.succeeded_requests + job.failed_requests) {
    throw broken('has counts that do not add up.');
  }

  const ordinals = new Set<number>();
  /** OpenAI's line ids do not tell the client how to merge its two files, so each is in order by itself. */
  const last = { succeeded: -1, failed: -1 };
  let failed = 0;
  let unanswered = 0;
  await life.call(async (client) => {
    for await (const outcome of client.jobs.results(job)) {
      const ordinal = outcome.ordinal ?? parseInt(outcome.id.slice(-ORDINAL_DIGITS), 16);
      const before = book.dialect === 'openai' ? last[outcome.kind] : Math.max(last.succeeded, last.failed);
      if (ordinal <= before || ordinals.has(ordinal))
        throw broken(`has request ${ordinal} behind request ${before}.`);
      last[outcome.kind] = ordinal;
      ordinals.add(ordinal);
      const { set, line } = requestAt(book.sets, ordinal);
      if (outcome.customId !== customIdOf(set, line))
        throw broken(`answers request ${ordinal} as another one.`);
      if (outcome.kind === 'succeeded') continue;
      if (UNANSWERED.includes(outcome.error.code ?? '')) unanswered += 1;
      else if (outcome.error.code === 'poison') failed += 1;
      else throw broken(`failed request ${ordinal}: ${outcome.error.message}`);
    }
  });
  if (book.dialect === 'openai' && ordinals.size !== requestsOf(book)) {
    throw broken(`has lines for ${ordinals.size} of ${requestsOf(book)} requests.`);
  }
  if (unanswered > 0 && (book.dialect === 'mistral' || job.status === 'SUCCESS')) {
    throw broken(`has lines for ${unanswered} requests that were never answered.`);
  }
  if (ordinals.size - unanswered !== job.completed_requests || failed !== job.failed_requests) {
    throw broken(
      `counts ${job.completed_requests} completed, ${job.failed_requests} failed, and has lines for ${ordinals.size - unanswered} and ${failed}.`,
    );
  }
  const lost = Object.keys(book.settled).find((ordinal) => !ordinals.has(Number(ordinal)));
  if (lost !== undefined) throw broken(`has no line for request ${lost}, whose outcome was durable once.`);

  const ids = [job.output_file, job.error_file].filter((id) => id !== null);
  const files = await Promise.all(ids.map(async (id) => ({ id, sha256: await sha256Of(life, id) })));
  book.end = { status: job.status, files };
  books.jobsEnded += 1;
  books.requestsEnded += ordinals.size;
  books.poisoned += failed;
}

export async function sha256Of(life: Life, fileId: string): Promise<string> {
  const content = await life.call(async (client) => new Response(await client.files.content(fileId)).bytes());
  return fingerprint(content);
}

function mayEndAs(book: JobBook): JobStatus[] {
  return [
    'SUCCESS',
    ...(book.cancelAsked ? (['CANCELLED'] as const) : []),
    ...(book.isDue ? (['TIMEOUT_EXCEEDED'] as const) : []),
  ];
}
