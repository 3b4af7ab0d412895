import type { BoraClient } from '@bora/client';
import type { BatchJob, JobStatus } from '@bora/protocol/mistral-jobs';
import { CrashRun, type Harm } from './crash-run.ts';
import { CHAT_MODELS, customId, requestLine } from './requests.ts';

const REQUESTS = 400;
const POLL_MS = 10;
const HOUR_MS = 3_600_000;
/** A run takes two to five seconds. */
const HANG_MS = 60_000;

export interface CrashReport {
  /** What was promised and did not hold. */
  readonly violations: readonly string[];
  /** How often Bora was killed. Fewer than planned: a stop point was never reached. */
  readonly kills: number;
}

/**
 * Everything that can happen to a batch, once: upload, a batch that completes, one that is cancelled, one that expires, deletion.
 * Bora is killed on the way as often as said, started again, and the promises are checked against what was acknowledged
 * and what the simulator counted.
 */
export function runCrashScenario(harm: Harm): Promise<CrashReport> {
  return runLife(harm, REQUESTS, live);
}

/** Lets a Bora live through `life`, whose batches have so many requests each, and be killed on the way. */
export async function runLife(
  harm: Harm,
  requests: number,
  life: (run: CrashRun) => Promise<void>,
): Promise<CrashReport> {
  await using run = await CrashRun.open(harm);
  run.requests = requests;
  const limit = AbortSignal.timeout(HANG_MS);
  try {
    await Promise.race([life(run), hangs(limit)]);
  } catch (error) {
    run.violations.push(`The scenario could not go on: ${String(error)}`);
  }
  run.checkBoughtOnce();
  await run.checkRemains();
  return { violations: [...new Set(run.violations)], kills: run.kills };
}

async function live(run: CrashRun): Promise<void> {
  const [finishes = '', isCancelled = '', expires = ''] = CHAT_MODELS;
  const content = Array.from({ length: REQUESTS }, (_, ordinal) => `${requestLine(ordinal)}\n`).join('');
  const file = await run.call((client) => client.files.upload(new Blob([content]), { filename: 'a.jsonl' }));
  run.afterRestart = (client) => sameBytes(run, client, file.id, content);

  const finished = await untilStatus(run, await create(run, file.id, finishes), ['SUCCESS']);
  await checkResults(run, finished, REQUESTS);

  await run.simulator.configure({ latencyMs: 100 });
  const cancelledId = await create(run, file.id, isCancelled);
  await until(run, cancelledId, (job) => job.completed_requests > 0);
  await run.call((client) => client.jobs.cancel(cancelledId));
  const cancelled = await untilStatus(run, cancelledId, ['CANCELLED']);
  await checkResults(run, cancelled, cancelled.completed_requests);

  const expiredId = await create(run, file.id, expires);
  await until(run, expiredId, (job) => job.completed_requests > 0);
  await run.advanceClock(2 * HOUR_MS);
  const expired = await untilStatus(run, expiredId, ['TIMEOUT_EXCEEDED']);
  await checkResults(run, expired, expired.completed_requests);

  await run.call((client) => sameBytes(run, client, file.id, content));
  run.deleted.add(finished.id);
  await run.call((client, attempt) => deleteOnce(client, finished.id, attempt));
  await until(run, expiredId, () => true);
  await gone(run, finished);
}

async function create(run: CrashRun, fileId: string, model: string): Promise<string> {
  const job = await run.call(async (client, attempt) => {
    // A create whose answer was lost may have happened.
    const { data } = attempt === 0 ? { data: [] } : await client.jobs.list({ model });
    return (
      data[0] ??
      client.jobs.create({
        input_files: [fileId],
        endpoint: '/v1/chat/completions',
        model,
        timeout_hours: 1,
      })
    );
  });
  run.modelOf.set(job.id, model);
  return job.id;
}

async function until(run: CrashRun, jobId: string, test: (job: BatchJob) => boolean): Promise<BatchJob> {
  for (;;) {
    const job = await run.call((client) => client.jobs.get(jobId));
    run.saw(jobId, job.completed_requests);
    if (job.status === 'SUCCESS' && job.output_file === null) {
      run.violations.push(`Job ${jobId} is SUCCESS without its file.`);
    }
    if (test(job)) return job;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function untilStatus(run: CrashRun, jobId: string, statuses: readonly JobStatus[]): Promise<BatchJob> {
  return until(run, jobId, (job) => statuses.includes(job.status));
}

/** One line per completed request, in input order, never two; counts equal lines; one file. */
async function checkResults(run: CrashRun, job: BatchJob, wanted: number): Promise<void> {
  const ordinals = await run.call(async (client) => {
    const found: number[] = [];
    for await (const { customId: id } of client.jobs.results(job)) {
      found.push(Array.from({ length: REQUESTS }, (_, at) => customId(at)).indexOf(id ?? ''));
    }
    return found;
  });
  if (ordinals.length !== wanted) {
    run.violations.push(
      `Job ${job.status} counts ${wanted} completed requests and has ${ordinals.length} lines.`,
    );
  }
  if (!ordinals.every((ordinal, place) => place === 0 || ordinal > (ordinals[place - 1] ?? -1))) {
    run.violations.push(`Lines of the ${job.status} job are out of input order or doubled.`);
  }
  if (job.completed_requests !== job.succeeded_requests + job.failed_requests) {
    run.violations.push(`Counts of the ${job.status} job do not add up.`);
  }
}

async function sameBytes(run: CrashRun, client: BoraClient, fileId: string, content: string): Promise<void> {
  const now = await new Response(await client.files.content(fileId)).text();
  if (now !== content) run.violations.push('An acknowledged upload came back with other bytes.');
}

async function deleteOnce(client: BoraClient, jobId: string, attempt: number): Promise<void> {
  try {
    await client.jobs.delete(jobId);
  } catch (error) {
    // The first call may have happened although its answer was lost.
    if (attempt === 0) throw error;
  }
}

/** A deleted job stays gone, and its files stay. Looks long enough for the purge to have run. */
async function gone(run: CrashRun, job: BatchJob): Promise<void> {
  const list = await run.call((client) => client.jobs.list());
  if (list.data.some(({ id }) => id === job.id)) run.violations.push('A deleted job came back.');
  await checkResults(run, job, job.completed_requests);
  for (let look = 0; look < 5; look++) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    await run.call((client) => client.jobs.list());
  }
}

function hangs(limit: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    limit.addEventListener('abort', () => reject(new Error(`Not done after ${HANG_MS / 1000} s.`)), {
      once: true,
    });
  });
}
