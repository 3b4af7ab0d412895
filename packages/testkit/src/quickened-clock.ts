import type { Clock } from '@bora/server/observe/clock';

/** Time that passes `speed` times faster than that of `clock`, so that waits between retries are short. */
export function quickened(clock: Clock, speed: number): Clock {
  const start = clock.now();
  return {
    now: () => start + (clock.now() - start) * speed,
    elapsed: () => clock.elapsed() * speed,
    sleep: (ms, signal) => clock.sleep(ms / speed, signal),
    after: (ms, action) => clock.after(ms / speed, action),
  };
}
