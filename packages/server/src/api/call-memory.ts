import type { Clock } from '../observe/clock.ts';
import { ApiError } from './errors.ts';

/** Of all calls together. */
const TOTAL_BYTES = 64 * 1024 * 1024;
/** Of each call, not counted, so that calls of ordinary lines pass whatever others hold: 12.5 MiB with as many connections as there may be. */
const FREE_BYTES = 64 * 1024;
/** What a call holds is there twice for a moment: in pieces and in one, or as it came and as it is handed on. */
const TIMES_HELD = 2;

const LF = 0x0a;

/** What one call holds. Disposed of, it holds nothing. */
export interface HeldBytes extends Disposable {
  /**
   * Holds `bytes` in all from now on. Resolves at once where that is less than before; otherwise when there is room for it.
   * @throws ApiError 503 if there was none for too long; what was held still is
   */
  resize(bytes: number): Promise<void>;
}

interface Waiting {
  readonly held: HeldBytes;
  readonly amount: number;
  readonly grant: () => void;
}

/**
 * Memory that all calls share for the lines and bodies that Bora has to hold until they are whole. A call that wants more than is left
 * waits, and is refused if that takes too long. Calls that hold something never wait for each other in a circle: the one that has held
 * longest gets whatever it wants, so one of them always goes on, and the total is passed by one line or body at most.
 */
export class CallMemory {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #total: number;
  #used = 0;
  /** In the order in which they began to hold. */
  readonly #amounts = new Map<HeldBytes, number>();
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock, waitMs: number, total = TOTAL_BYTES) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#total = total;
  }

  hold(): HeldBytes {
    const held: HeldBytes = {
      resize: async (bytes) => {
        const amount = bytes <= FREE_BYTES ? 0 : TIMES_HELD * bytes;
        if (this.#fits(held, amount)) this.#set(held, amount);
        else await this.#wait(held, amount);
      },
      [Symbol.dispose]: () => this.#set(held, 0),
    };
    return held;
  }

  /**
   * Passes the chunks of a JSONL file on, and holds what whoever splits them into lines keeps: the line that has not ended, unless it is
   * longer than a line may be.
   * @throws ApiError 503
   */
  async *holdLines(
    source: AsyncIterable<Uint8Array>,
    maxLineBytes: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    using held = this.hold();
    let line = 0;
    for await (const chunk of source) {
      const lineBreak = chunk.lastIndexOf(LF);
      line = lineBreak === -1 ? line + chunk.length : chunk.length - lineBreak - 1;
      const kept = line > maxLineBytes ? 0 : line;
      if (lineBreak === -1) await held.resize(kept);
      yield chunk;
      // A line that ended here was kept until the chunk was taken.
      if (lineBreak !== -1) await held.resize(kept);
    }
  }

  #fits(held: HeldBytes, amount: number): boolean {
    const before = this.#amounts.get(held) ?? 0;
    const [longest = held] = this.#amounts.keys();
    return amount <= before || this.#used + amount - before <= this.#total || held === longest;
  }

  #set(held: HeldBytes, amount: number): void {
    const before = this.#amounts.get(held) ?? 0;
    this.#used += amount - before;
    if (amount === 0) this.#amounts.delete(held);
    else this.#amounts.set(held, amount);
    if (amount < before) this.#grantWaiting();
  }

  async #wait(held: HeldBytes, amount: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { held, amount, grant: resolve };
    this.#waiting.add(waiting);
    const stopTimer = this.#clock.after(this.#waitMs, () => {
      this.#waiting.delete(waiting);
      reject(noMemory());
    });
    await promise.finally(stopTimer);
  }

  #grantWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.held, waiting.amount)) continue;
      this.#waiting.delete(waiting);
      this.#set(waiting.held, waiting.amount);
      waiting.grant();
    }
  }
}

function noMemory(): ApiError {
  return new ApiError(
    'too_many_waiting',
    'Other calls hold all the memory that long lines and large bodies may take. Try again in a while.',
    {},
    { 'retry-after': '5' },
  );
}
