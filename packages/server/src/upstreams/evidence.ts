import { hash } from 'node:crypto';
import type { FailureFamily, Observation } from './fault-table.ts';

/** Failed requests that are remembered of one model; the oldest is forgotten first. 100 bytes each. */
const REMEMBERED_FAILURES = 4096;

/** Two would tell that others failed alike; the rest may be found to be their own reason. */
const REMEMBERED_SUSPECTS = 256;

interface FirstFailure {
  /** Answers that there were when its attempt was sent. */
  readonly answersBefore: number;
  /** Attempts that were sent by the time it failed. One sent before may have been taken before the upstream changed its mind. */
  readonly attemptsSent: number;
}

/** What is known of one model on one upstream that helps to tell whose fault a failure is. */
export class Evidence {
  #answers = 0;
  /** By family, some of the requests that failed since the last answer and may not themselves be the reason. */
  readonly #failedSinceAnswer: Readonly<Record<FailureFamily, Set<string>>> = {
    refusal: new Set(),
    breakdown: new Set(),
  };
  /** Of a request that failed, when it first did so. */
  readonly #firstFailures = new Map<string, FirstFailure>();
  /** The number of the latest attempt that was answered; attempts are numbered as they are sent. */
  #latestAnswered = 0;

  /** Complete answers so far; an attempt notes it when it is sent. */
  get answers(): number {
    return this.#answers;
  }

  answered(attempt: number): void {
    this.#answers += 1;
    this.#latestAnswered = Math.max(this.#latestAnswered, attempt);
    const { refusal, breakdown } = this.#failedSinceAnswer;
    if (refusal.size > 0) refusal.clear();
    if (breakdown.size > 0) breakdown.clear();
  }

  /** Notes a failure, and tells what was known before it. `attemptsSent`: so many were sent by now. */
  failed(
    family: FailureFamily,
    body: Uint8Array,
    answersWhenSent: number,
    attemptsSent: number,
  ): Pick<Observation, 'answeredMeanwhile' | 'answeredSince' | 'failedAlike' | 'again'> {
    const request = hash('sha1', body, 'base64');
    const first = this.#firstFailures.get(request);
    const answersBefore = Math.min(first?.answersBefore ?? answersWhenSent, answersWhenSent);
    const answeredSince = first !== undefined && this.#latestAnswered > first.attemptsSent;
    const failed = this.#failedSinceAnswer[family];
    const again = failed.has(request);
    const failedAlike = failed.size > (again ? 1 : 0);
    // What is refused while others are taken accuses nobody else.
    if (answeredSince) failed.delete(request);
    else if (failed.size < REMEMBERED_SUSPECTS) failed.add(request);
    if (first === undefined) this.#remember(request, { answersBefore, attemptsSent });
    return {
      answeredMeanwhile: this.#answers > answersBefore,
      answeredSince,
      failedAlike,
      again: again && !failedAlike,
    };
  }

  #remember(request: string, failure: FirstFailure): void {
    const known = this.#firstFailures;
    if (known.size >= REMEMBERED_FAILURES) known.delete(known.keys().next().value as string);
    known.set(request, failure);
  }
}
