import { setImmediate } from 'node:timers/promises';
import type { SimulatorClock } from '@bora/simulator/clock';

/** Time that passes only when a test says so. */
export class ManualClock implements SimulatorClock {
  #now = 1_000_000;
  #timers: { readonly at: number; readonly action: () => void }[] = [];

  /** Timers that wait for time to pass. */
  get waiting(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, action: () => void): () => void {
    const timer = { at: this.#now + ms, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Runs what is due, in the order of its time, also what that sets. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= until).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== due);
      this.#now = Math.max(this.#now, due.at);
      due.action();
      await setImmediate();
    }
    this.#now = until;
  }
}
