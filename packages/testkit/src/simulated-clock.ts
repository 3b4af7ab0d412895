import { setImmediate } from 'node:timers/promises';
import type { Clock } from '@bora/server/observe/clock';

interface Timer {
  readonly dueAt: number;
  readonly action: () => void;
}

/**
 * A clock that stands still until it is advanced. Timers and sleepers run in the order of their times, those of the same time
 * in the order in which they were set, each at exactly its time; so a test over simulated time gives the same run every time.
 */
export class SimulatedClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  #timers: Timer[] = [];

  /** @param start Milliseconds since the epoch; default 2026-01-01T00:00:00Z. */
  constructor(start = Date.UTC(2026, 0, 1)) {
    this.#start = start;
  }

  /** Timers and sleepers that wait for time to pass. */
  get waiting(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }

  elapsed(): number {
    return this.#elapsed;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    const cancel = this.after(ms, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
    await promise;
  }

  after(ms: number, action: () => void): () => void {
    const timer: Timer = { dueAt: this.#elapsed + Math.max(0, ms), action };
    const later = this.#timers.findIndex(({ dueAt }) => dueAt > timer.dueAt);
    this.#timers.splice(later === -1 ? this.#timers.length : later, 0, timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /**
   * Lets `ms` pass. What a timer sets off, as far as it waits for promises alone, has happened before the next timer runs and
   * before this resolves; timers set meanwhile run too if they are due. Work that waits for a thread, a disk or a socket
   * is not waited for.
   */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await setImmediate();
    for (let next = this.#timers[0]; next !== undefined && next.dueAt <= until; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsed = Math.max(this.#elapsed, next.dueAt);
      next.action();
      await setImmediate();
    }
    this.#elapsed = Math.max(this.#elapsed, until);
  }
}
