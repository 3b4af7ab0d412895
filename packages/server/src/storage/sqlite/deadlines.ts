/** `deadline_at` of a batch without one: later than any other, so that it is claimed behind those that are in a hurry. */
export const NO_DEADLINE = Number.MAX_SAFE_INTEGER;

export function deadlineAfter(now: number, timeoutMs: number): number {
  return Math.min(now + timeoutMs, NO_DEADLINE);
}

export function deadlineOrNull(deadlineAt: number): number | null {
  return deadlineAt === NO_DEADLINE ? null : deadlineAt;
}
