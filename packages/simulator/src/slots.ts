import type { SimulatorClock } from './clock.ts';

/** One request's stay: `waiting` until a slot is free, `running` until it leaves, then `gone`. */
export interface Stay {
  state: 'waiting' | 'running' | 'gone';
  readonly start: () => void;
}

/**
 * Slots that work, and a queue before them, first come first served, that never refuses. It also integrates the busy slots over time:
 * that figure tells how full a client kept the server, whatever the latencies were.
 */
export class Slots {
  readonly #clock: SimulatorClock;
  #size: number;
  #running = 0;
  /** Waiting stays from `#head` on, gone ones among them, which are skipped when their turn comes. */
  #queue: Stay[] = [];
  #head = 0;
  #waiting = 0;
  #busyMs = 0;
  #settledAt: number;

  constructor(size: number, clock: SimulatorClock) {
    this.#size = size;
    this.#clock = clock;
    this.#settledAt = clock.now();
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Sum over all slots of the milliseconds they were busy, until now. */
  get busyMs(): number {
    this.#settle();
    return this.#busyMs;
  }

  clearBusyTime(): void {
    this.#settle();
    this.#busyMs = 0;
  }

  /** Calls `start` once a slot is free: before this returns, if one is. `start` must not leave; work takes at least a microtask. */
  enter(start: () => void): Stay {
    const stay: Stay = { state: 'waiting', start };
    this.#queue.push(stay);
    this.#waiting++;
    this.#startNext();
    return stay;
  }

  /** Frees the slot, or the place in the queue. Leaving twice does nothing. */
  leave(stay: Stay): void {
    if (stay.state === 'waiting') this.#waiting--;
    if (stay.state === 'running') {
      this.#settle();
      this.#running--;
    }
    stay.state = 'gone';
    this.#startNext();
  }

  /** Fewer slots than are busy: those finish, no new one starts meanwhile. */
  resize(size: number): void {
    this.#size = size;
    this.#startNext();
  }

  #startNext(): void {
    while (this.#running < this.#size && this.#head < this.#queue.length) {
      const stay = this.#queue[this.#head++];
      if (stay.state !== 'waiting') continue;
      this.#settle();
      stay.state = 'running';
      this.#running++;
      this.#waiting--;
      stay.start();
    }
    // Dropping what is done only when it is half of the queue keeps the cost of a stay constant.
    if (this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  #settle(): void {
    const now = this.#clock.now();
    this.#busyMs += this.#running * (now - this.#settledAt);
    this.#settledAt = now;
  }
}
