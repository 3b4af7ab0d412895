import type { BatchJob } from './job-types.ts';
import { BoraError } from './bora-error.ts';
import type { Clock } from './clock.ts';

/** How long after its creation a job may be unknown. Mistral's own service answers 404 for some seconds; Bora never does. */
export const APPEARS_WITHIN_MS = 15_000;

/** The results of a job were asked for that has not ended: its result files do not exist yet. Wait for it with `waitUntilComplete`. */
export class JobNotEnded extends BoraError {
  override readonly name = 'JobNotEnded';
  /** As it was given, with its status and counts. */
  readonly job: BatchJob;

  constructor(job: BatchJob) {
    super(
      `Job ${job.id} is ${job.status}, ${job.completed_requests} of ${job.total_requests} requests done: its results are there ` +
        'when it has ended. Wait for it with waitUntilComplete.',
      { code: 'job_not_ended' },
    );
    this.job = job;
  }
}

/** A job was asked for that this client created moments ago, and the service does not show it yet. Ask again in a second. */
export class JobNotVisibleYet extends BoraError {
  override readonly name = 'JobNotVisibleYet';
  readonly jobId: string;

  constructor(jobId: string, answer: BoraError) {
    const { status, body, requestId, retryAfterMs } = answer;
    super(
      `Job ${jobId} was created moments ago and is not to be seen yet (HTTP ${status}). Ask again in a second, or wait for it with waitUntilComplete.`,
      { code: 'job_not_visible_yet', status, body, requestId, retryAfterMs },
      { cause: answer },
    );
    this.jobId = jobId;
  }

  override get transient(): boolean {
    return true;
  }
}

/** The jobs that one client created in the last moments and has not seen since. */
export class CreatedJobs {
  readonly #clock: Clock;
  readonly #createdAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(id: string): void {
    for (const other of this.#createdAt.keys()) if (!this.isNew(other)) this.#createdAt.delete(other);
    this.#createdAt.set(id, this.#clock.elapsed());
  }

  /** It was seen, or deleted. */
  forget(id: string): void {
    this.#createdAt.delete(id);
  }

  isNew(id: string): boolean {
    return this.#clock.elapsed() - (this.#createdAt.get(id) ?? -Infinity) < APPEARS_WITHIN_MS;
  }
}
