import { hash } from 'node:crypto';
import type { FailureFamily, Observation } from './fault-table.ts';

/** Failed requests that are remembered of one model; the oldest is forgotten first. 100 bytes each. */
const REMEMBERED_FAILURES = 4096;

/** What is known of one model on one upstream that helps to tell whose fault a failure is. */
export class Evidence {
  #answers = 0;
  /** By family, which request failed since the last answer; null if they were different ones. */
  readonly #failedSinceAnswer = new Map<FailureFamily, string | null>();
  /** How many answers there were when a request first failed. */
  readonly #answersAtFirstFailure = new Map<string, number>();

  /** Complete answers so far; an attempt notes it when it is sent. */
  get answers(): number {
    return this.#answers;
  }

  answered(): void {
    this.#answers += 1;
    this.#failedSinceAnswer.clear();
  }

  /** Notes a failure, and tells what was known before it. */
  failed(
    family: FailureFamily,
    body: Uint8Array,
    answersWhenSent: number,
  ): Pick<Observation, 'answeredMeanwhile' | 'failedAlike' | 'again'> {
    const request = hash('sha1', body, 'base64');
    const before = this.#failedSinceAnswer.get(family);
    const answersBefore = Math.min(
      this.#answersAtFirstFailure.get(request) ?? answersWhenSent,
      answersWhenSent,
    );
    this.#failedSinceAnswer.set(family, before === undefined || before === request ? request : null);
    this.#remember(request, answersBefore);
    return {
      answeredMeanwhile: this.#answers > answersBefore,
      failedAlike: before !== undefined && before !== request,
      again: before === request,
    };
  }

  #remember(request: string, answers: number): void {
    const known = this.#answersAtFirstFailure;
    if (known.has(request)) return;
    if (known.size >= REMEMBERED_FAILURES) known.delete(known.keys().next().value as string);
    known.set(request, answers);
  }
}
