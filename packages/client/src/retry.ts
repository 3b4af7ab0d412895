import type { BoraError } from './bora-error.ts';

const DEFAULT_RETRIES = 2;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8_000;
/** A server that asks for a longer pause gets none: the caller is told at once, with `retryAfterMs`. */
const LONGEST_ASKED_MS = 60_000;

/** Answers after which a call that may be made twice is made again. */
const PASSING: ReadonlySet<number | null> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * Answers that prove that nothing was written. Of Bora's own only 429 is one: it is raised by the count of pending work in the
 * transaction that would have made the job (`client-retries.e2e.test.ts` creates against a whole Bora and counts jobs and files). A 503 is
 * none: the first commit may have happened and only its repetition been refused (a test of the same file does that). So it is with
 * 500, 502 and 504, of Bora or of a proxy that waited too short.
 */
const NOTHING_WRITTEN: ReadonlySet<number | null> = new Set([429]);

export interface RetryPolicy {
  /** How often a call is made again before its failure is thrown; 0 = never. */
  readonly maxRetries: number;
  /** From 0 inclusive to 1 exclusive. */
  readonly random: () => number;
}

export function retryPolicy(maxRetries = DEFAULT_RETRIES, random = Math.random): RetryPolicy {
  return { maxRetries, random };
}

/** `repeatable`: making the call twice does what making it once does, whatever became of the first. */
export function mayCallAgain({ code, status }: BoraError, repeatable: boolean): boolean {
  if (!repeatable) return NOTHING_WRITTEN.has(status);
  return code === 'no_answer' || PASSING.has(status);
}

/** Whether the call that failed so may have done its work all the same. */
export function mayHaveHappened({ status }: BoraError): boolean {
  return !NOTHING_WRITTEN.has(status);
}

/**
 * Milliseconds before the `retry`-th repetition, from 0: what the server asks for, if it does; else 250 ms, doubling up to 8 s, half of it
 * by chance so that callers who failed together do not come back together. Null if the server asks for more than a minute.
 */
export function pauseBefore(retry: number, { retryAfterMs }: BoraError, random: () => number): number | null {
  const most = Math.min(FIRST_PAUSE_MS * 2 ** retry, LONGEST_PAUSE_MS);
  const own = most / 2 + (random() * most) / 2;
  if (retryAfterMs === null) return own;
  return retryAfterMs > LONGEST_ASKED_MS ? null : Math.max(own, retryAfterMs);
}
