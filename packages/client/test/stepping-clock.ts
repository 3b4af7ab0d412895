import type { Clock } from '@bora/client/clock';

/** A clock that sleeps by moving on, and remembers how long. */
export interface SteppingClock extends Clock {
  readonly pauses: number[];
}

export function steppingClock(): SteppingClock {
  let now = 0;
  const pauses: number[] = [];
  return {
    pauses,
    elapsed: () => now,
    sleep(ms, signal) {
      signal?.throwIfAborted();
      pauses.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}
