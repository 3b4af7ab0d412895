import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '../observe/clock.ts';
import { remainingQuotas } from './rate-limit-headers.ts';
import type { RemainingQuota } from './rate-limit-headers.ts';
import { duration } from './reasons.ts';
import { SlidingMinute } from './sliding-minute.ts';
import type { Spent } from './sliding-minute.ts';

export interface RateLimits {
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

const KINDS = ['requests', 'tokens'] as const;
type Kind = (typeof KINDS)[number];
type Amounts = Readonly<Record<Kind, number>>;

/** What an attempt was charged with. */
export interface Charge {
  readonly tokens: number;
  readonly slots: Readonly<Record<Kind, Spent | null>>;
  /** What had ever been charged when it was, itself included. */
  readonly upTo: Amounts;
}

/**
 * How much an upstream may be asked: the operator's budget per minute, and what the upstream itself says is left. Requests never
 * exceed a budget. Tokens are charged as estimated when a request goes out and corrected when its answer says what it used, so
 * they exceed it by no more than the estimates were wrong, and later requests make up for that.
 */
export class RateBudget {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #onFree: () => void;
  readonly #minutes: Readonly<Record<Kind, SlidingMinute | null>>;
  readonly #hasMinutes: boolean;
  /** All that was ever charged: what the upstream says is left is left beyond what was charged when it was asked. */
  readonly #charged = { requests: 0, tokens: 0 };
  readonly #ceilings: Record<Kind, Ceiling | null> = { requests: null, tokens: null };
  #hasCeilings = false;
  #waits: { readonly until: number; readonly kind: Kind; readonly minute: SlidingMinute | null } | null =
    null;
  #wakesAt = Infinity;
  #cancelWake: () => void = () => {};

  /** `name` of the upstream, for reasons. `onFree` is called when what was refused for the budget may be asked for again. */
  constructor(name: string, limits: RateLimits, clock: Clock, onFree: () => void) {
    const { requestsPerMinute, tokensPerMinute } = limits;
    this.#name = name;
    this.#clock = clock;
    this.#onFree = onFree;
    this.#minutes = {
      requests: requestsPerMinute === null ? null : new SlidingMinute(requestsPerMinute),
      tokens: tokensPerMinute === null ? null : new SlidingMinute(tokensPerMinute),
    };
    this.#hasMinutes = requestsPerMinute !== null || tokensPerMinute !== null;
  }

  /** Whether one more request, of about so many tokens, may go out now. */
  admits(tokens: number): boolean {
    if (!this.#hasMinutes && !this.#hasCeilings) return true;
    const now = this.#clock.elapsed();
    this.#waits = null;
    let until = now;
    for (const kind of KINDS) {
      const amount = kind === 'requests' ? 1 : tokens;
      const minute = this.#minutes[kind];
      const freeAt = minute?.freeAt(amount, now) ?? now;
      if (freeAt > until) {
        until = freeAt;
        this.#waits = { until, kind, minute };
      }
      const resetAt = this.#resetAt(kind, amount, now);
      if (resetAt > until) {
        until = resetAt;
        this.#waits = { until, kind, minute: null };
      }
    }
    if (until > now) this.#wakeAt(until, now);
    return until <= now;
  }

  /** One request goes out. */
  charge(tokens: number): Charge {
    const now = this.#clock.elapsed();
    this.#charged.requests += 1;
    this.#charged.tokens += tokens;
    const slots = {
      requests: this.#minutes.requests?.spend(1, now) ?? null,
      tokens: this.#minutes.tokens?.spend(tokens, now) ?? null,
    };
    return { tokens, slots, upTo: { ...this.#charged } };
  }

  /** It did not go out after all. */
  refund(charge: Charge): void {
    this.#charged.requests -= 1;
    this.#charged.tokens -= charge.tokens;
    if (charge.slots.requests !== null)
      this.#minutes.requests?.amend(charge.slots.requests, -1, this.#clock.elapsed());
    this.settle(charge, 0);
  }

  /** What it used in truth. */
  settle({ tokens, slots }: Charge, used: number): void {
    if (slots.tokens !== null)
      this.#minutes.tokens?.amend(slots.tokens, used - tokens, this.#clock.elapsed());
  }

  /** What an answer says is left. The answer to a later request knows better than that to an earlier one. */
  heed(headers: IncomingHttpHeaders, { upTo }: Charge): void {
    const quotas = remainingQuotas(headers);
    if (quotas === null) return;
    this.#hasCeilings = true;
    for (const kind of KINDS) this.#learn(kind, quotas[kind], upTo);
  }

  /** What the request that was asked for last waits for, in a sentence; null if it does not. */
  get waitsFor(): string | null {
    const left = this.#waits === null ? 0 : this.#waits.until - this.#clock.elapsed();
    if (this.#waits === null || left <= 0) return null;
    const { kind, minute } = this.#waits;
    return minute === null
      ? `Waiting for upstream ${this.#name}, which says that it takes no more ${kind} for ${duration(left)}.`
      : `Waiting for upstream ${this.#name}'s budget of ${minute.limit} ${kind} per minute.`;
  }

  close(): void {
    this.#cancelWake();
  }

  #learn(kind: Kind, quota: RemainingQuota | null, upTo: Amounts): void {
    const known = this.#ceilings[kind];
    if (quota === null || (known !== null && known.toldAt > upTo.requests)) return;
    const { remaining, resetMs } = quota;
    this.#ceilings[kind] = {
      toldAt: upTo.requests,
      charged: upTo[kind] + remaining,
      resetAt: this.#clock.elapsed() + resetMs,
    };
  }

  #resetAt(kind: Kind, amount: number, now: number): number {
    const ceiling = this.#ceilings[kind];
    if (ceiling === null || ceiling.resetAt <= now) return now;
    return this.#charged[kind] + amount > ceiling.charged ? ceiling.resetAt : now;
  }

  #wakeAt(at: number, now: number): void {
    if (this.#wakesAt <= at && this.#wakesAt > now) return;
    this.#cancelWake();
    this.#wakesAt = at;
    this.#cancelWake = this.#clock.after(at - now, () => {
      this.#wakesAt = Infinity;
      this.#onFree();
    });
  }
}

/** Until `resetAt` no more may ever have been charged than `charged`. `toldAt` dates it, in requests charged. */
interface Ceiling {
  readonly toldAt: number;
  readonly charged: number;
  readonly resetAt: number;
}
