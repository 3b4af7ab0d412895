/** An event that nobody took is given up at the first attempt that fails so long after its batch ended. */
export const GIVE_UP_AFTER_MS = 3 * 24 * 60 * 60 * 1000;

const FIRST_MS = 10_000;
const GROWTH = 3;
/** So that a receiver that is there again is told within the hour. */
const LONGEST_MS = 60 * 60 * 1000;

/**
 * How long to wait after an attempt that failed: 10 s, 30 s, 90 s, … to an hour, each up to a half shorter by chance, so that what failed
 * together does not come together.
 *
 * @param attempts How many were made, from 1.
 * @param random From 0 inclusive to 1 exclusive.
 */
export function retryDelayMs(attempts: number, random: number): number {
  const whole = Math.min(LONGEST_MS, FIRST_MS * GROWTH ** (attempts - 1));
  return Math.round(whole * (1 - random / 2));
}
