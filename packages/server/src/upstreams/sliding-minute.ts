const MINUTE_MS = 60_000;
/** What is spent within one slot leaves the minute together, up to this much late: 0.1 % of a budget stays unused. */
const SLOT_MS = 60;
/** Part of the budget that may go out at once after idling; the rest at an even pace, for servers count by the second too. */
const BURST = 1 / 20;

/** A slot of spending. `leavesAt` is a minute after the end of the slot. */
export interface Spent {
  readonly leavesAt: number;
  amount: number;
}

/**
 * An amount that may be spent per minute, of requests or of tokens.
 *
 * Invariant: whatever is spent at `t` is in the sum until after `t` plus a minute, and only what fits beside the sum is admitted; so
 * no minute, wherever it begins, holds more than the limit. An amount above the whole limit goes when the minute is empty.
 */
export class SlidingMinute {
  readonly limit: number;
  readonly #slots: Spent[] = [];
  #sum = 0;
  /** When all that was spent would have been spent at an even pace. */
  #paidUpAt = -Infinity;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** When `amount` may be spent, if nothing else is until then: `now`, or later. */
  freeAt(amount: number, now: number): number {
    this.#forget(now);
    const burst = Math.max(1, this.limit * BURST);
    const pacedAt = this.#paidUpAt - (burst - 1) * this.#msOf(1);
    return Math.max(now, Math.ceil(pacedAt), this.#roomAt(amount, now));
  }

  spend(amount: number, now: number): Spent {
    const leavesAt = (Math.floor(now / SLOT_MS) + 1) * SLOT_MS + MINUTE_MS;
    let slot = this.#slots.at(-1);
    if (slot === undefined || slot.leavesAt < leavesAt) {
      slot = { leavesAt, amount: 0 };
      this.#slots.push(slot);
    }
    slot.amount += amount;
    this.#sum += amount;
    this.#paidUpAt = Math.max(this.#paidUpAt, now) + this.#msOf(amount);
    return slot;
  }

  /** Corrects what was spent, when it turns out to have been more or less. What has left the minute is only ever too little. */
  amend(spent: Spent, by: number, now: number): void {
    this.#forget(now);
    if (spent.leavesAt > now) {
      spent.amount += by;
      this.#sum += by;
      this.#paidUpAt += this.#msOf(by);
    } else if (by > 0) this.spend(by, now);
  }

  #roomAt(amount: number, now: number): number {
    let sum = this.#sum;
    if (sum + amount <= this.limit) return now;
    for (const slot of this.#slots) {
      sum -= slot.amount;
      if (sum + amount <= this.limit) return slot.leavesAt;
    }
    return this.#slots.at(-1)?.leavesAt ?? now;
  }

  #forget(now: number): void {
    while (this.#slots.length > 0 && this.#slots[0].leavesAt <= now) this.#sum -= this.#slots.shift()!.amount;
  }

  #msOf(amount: number): number {
    return (amount * MINUTE_MS) / this.limit;
  }
}
