import type { BatchJob, JobStatus } from './job-types.ts';
import { BoraError } from './bora-error.ts';
import type { Clock } from './clock.ts';
import { APPEARS_WITHIN_MS } from './not-yet.ts';

/** How long the server may fail without one good answer between, if the caller names no limit: a restart takes less. */
const UNREACHABLE_MS = 5 * 60_000;

const LONGEST_PAUSE_MS = 30_000;

const ENDED: Readonly<Record<JobStatus, boolean>> = {
  QUEUED: false,
  RUNNING: false,
  CANCELLATION_REQUESTED: false,
  SUCCESS: true,
  FAILED: true,
  TIMEOUT_EXCEEDED: true,
  CANCELLED: true,
};

export interface WaitOptions {
  /** Pause between two looks, default 2,000 ms. */
  readonly intervalMs?: number;
  /** Longest wait in all; default: none. */
  readonly timeoutMs?: number;
  /** How long the job may be unknown at first: Mistral's own service answers 404 for some seconds after a create. Default 15,000 ms. */
  readonly appearsWithinMs?: number;
  /** How long the server may fail without one good answer between before its error is thrown; default 5 minutes. */
  readonly unreachableMs?: number;
  /** Called with every good answer, the last included. */
  readonly onProgress?: (job: BatchJob) => void;
  readonly signal?: AbortSignal | undefined;
}

/** The job had not ended when the time to wait was up. It goes on; wait again, or cancel it. */
export class WaitTimeout extends BoraError {
  override readonly name = 'WaitTimeout';
  /** As last seen; null if the server never answered. */
  readonly job: BatchJob | null;

  constructor(timeoutMs: number, job: BatchJob | null) {
    const seen =
      job === null
        ? 'it was never seen'
        : `it is ${job.status}, ${job.completed_requests} of ${job.total_requests} requests done`;
    super(
      `The job did not end within ${timeoutMs} ms: ${seen}. It goes on by itself; wait again or cancel it.`,
      { code: 'wait_timeout' },
    );
    this.job = job;
  }
}

/** Whether the job has ended, well or not, and will never change again. */
export function isComplete(job: Pick<BatchJob, 'status'>): boolean {
  return ENDED[job.status];
}

/** See `Jobs.waitUntilComplete`. */
export async function waitUntilComplete(
  look: () => Promise<BatchJob>,
  options: WaitOptions,
  clock: Clock,
): Promise<BatchJob> {
  const { intervalMs = 2_000, timeoutMs = Infinity, signal } = options;
  const { appearsWithinMs = APPEARS_WITHIN_MS, unreachableMs = UNREACHABLE_MS } = options;
  const begin = clock.elapsed();
  let lastAnswer = begin;
  let failures = 0;
  let job: BatchJob | null = null;
  for (;;) {
    signal?.throwIfAborted();
    let pause = intervalMs;
    try {
      job = await look();
      options.onProgress?.(job);
      if (isComplete(job)) return job;
      lastAnswer = clock.elapsed();
      failures = 0;
    } catch (error) {
      if (!(error instanceof BoraError)) throw error;
      const grace = error.status === 404 && job === null ? appearsWithinMs : unreachableMs;
      const tolerated = error.transient || (error.status === 404 && job === null);
      if (!tolerated || clock.elapsed() - lastAnswer >= grace) throw error;
      failures += 1;
      pause = Math.min(
        Math.max(error.retryAfterMs ?? 0, intervalMs * 2 ** Math.min(failures - 1, 16)),
        LONGEST_PAUSE_MS,
      );
    }
    const left = begin + timeoutMs - clock.elapsed();
    if (left <= 0) throw new WaitTimeout(timeoutMs, job);
    await clock.sleep(Math.min(pause, left), signal);
  }
}
