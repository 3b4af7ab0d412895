import type { Clock } from '../observe/clock.ts';
import type { UpstreamState } from './upstreams.ts';

/** Waits before the first, second, … probe of what is down; the last one stays. Starts over once it has answered a request. */
export const PROBE_AFTER_DOWN_MS: readonly number[] = [1_000, 5_000, 15_000];
export const PROBE_PAUSED_MS = 60_000;

/** Waits after the first, second, … refusal for load that names no time; the last one stays. Starts over with an answer. */
export const QUIET_MS: readonly number[] = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** Retry-After beyond this is not believed: one attempt an hour harms nobody, and a mistaken value stops a batch for days. */
export const LONGEST_QUIET_MS = 3_600_000;

/**
 * Whether something may be sent: to an upstream, or for one of its models. `up` → `down` or `paused` → (a probe is answered)
 * `trial` → (a request is answered) `up`. Without trial where nothing but the way there was at fault, or a person says so.
 */
export class Health {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #onEnter: (state: UpstreamState, reason: string | null) => void;
  #state: UpstreamState = 'up';
  #reason: string | null = null;
  #since: number;
  #byHand = false;
  #needsTrial = false;
  /** Attempts that entered since the last change of state. Older ones may hang for long and say nothing about now. */
  #entered = 0;
  #stay = 0;
  #probeAt = Infinity;
  #failedProbes = 0;
  #quietRounds = 0;
  #quietUntil = 0;

  /** `onEnter` hears of each change of state, and of nothing else. */
  constructor(
    clock: Clock,
    random: () => number,
    onEnter: (state: UpstreamState, reason: string | null) => void,
  ) {
    this.#clock = clock;
    this.#random = random;
    this.#onEnter = onEnter;
    this.#since = clock.now();
  }

  get state(): UpstreamState {
    return this.#state;
  }

  get reason(): string | null {
    return this.#reason;
  }

  get since(): number {
    return this.#since;
  }

  get pausedByHand(): boolean {
    return this.#byHand;
  }

  /** When it wants to be probed; never while it is up, or paused by hand. */
  get probeAt(): number {
    return this.#probeAt;
  }

  /** Until when it is to be left alone, or null. */
  get quietUntil(): number | null {
    return this.#quietUntil > this.#clock.now() ? this.#quietUntil : null;
  }

  /** Up, or on trial. */
  get servable(): boolean {
    return this.#state === 'up' || this.#state === 'trial';
  }

  /** Whether one more attempt may go out now. */
  get admits(): boolean {
    if (this.#state === 'trial' ? this.#entered > 0 : this.#state !== 'up') return false;
    return this.#quietUntil === 0 || this.quietUntil === null;
  }

  /** An attempt goes out. The number goes back with `leave`. */
  enter(): number {
    this.#entered += 1;
    return this.#stay;
  }

  leave(stay: number): void {
    if (stay === this.#stay) this.#entered -= 1;
  }

  answered(): void {
    this.#failedProbes = 0;
    this.#quietRounds = 0;
    if (this.#state === 'trial') this.#enter('up', null);
  }

  /**
   * Nothing more goes out until a probe is answered; then one attempt at a time until one succeeds if `thenTrial`, else all
   * at once. While it is down or paused only the trial is noted: attempts in flight fail after the first one.
   */
  down(reason: string, thenTrial: boolean): void {
    if (!this.servable) {
      this.#needsTrial ||= thenTrial;
      return;
    }
    this.#needsTrial = thenTrial;
    this.#awaitProbe();
    this.#enter('down', reason);
  }

  /** A probe of what is down or paused failed; no-op if it came before its time, to judge a failure. */
  stillDown(reason: string): void {
    if (this.#probeAt > this.#clock.now()) return;
    this.#awaitProbe();
    this.#enter('down', reason);
  }

  pause(reason: string): void {
    if (this.#byHand) return;
    this.#needsTrial = true;
    this.#probeAt = this.#clock.now() + PROBE_PAUSED_MS;
    this.#enter('paused', reason);
  }

  pauseByHand(reason: string, since: number): void {
    this.#byHand = true;
    this.#probeAt = Infinity;
    this.#enter('paused', reason);
    this.#since = since;
  }

  /** A probe found it well. */
  recover(): void {
    if (this.servable || this.#byHand) return;
    this.#probeAt = Infinity;
    if (this.#needsTrial) this.#enter('trial', this.#reason);
    else this.#enter('up', null);
  }

  resumeByHand(): void {
    this.#byHand = false;
    this.#quietUntil = 0;
    this.#failedProbes = 0;
    this.#probeAt = Infinity;
    this.#enter('up', null);
  }

  /** Leaves it alone for `ms`, or without that for a growing moment. Answers until when. */
  quiet(ms: number | null): number {
    const step = QUIET_MS[Math.min(this.#quietRounds, QUIET_MS.length - 1)];
    this.#quietRounds += 1;
    const wait = ms === null ? jitter(step, this.#random) : Math.min(ms, LONGEST_QUIET_MS);
    this.#quietUntil = Math.max(this.#quietUntil, this.#clock.now() + wait);
    return this.#quietUntil;
  }

  #awaitProbe(): void {
    const wait = PROBE_AFTER_DOWN_MS[Math.min(this.#failedProbes, PROBE_AFTER_DOWN_MS.length - 1)];
    this.#failedProbes += 1;
    this.#probeAt = this.#clock.now() + wait;
  }

  #enter(state: UpstreamState, reason: string | null): void {
    this.#reason = reason;
    // A failed probe changes nothing else, so that `since` tells the length of the outage.
    if (state === this.#state) return;
    this.#state = state;
    this.#since = this.#clock.now();
    this.#stay += 1;
    this.#entered = 0;
    this.#onEnter(state, reason);
  }
}

/** Between half of `ms` and all of it, so that what failed together does not come back together. */
export function jitter(ms: number, random: () => number): number {
  return Math.round(ms * (0.5 + random() / 2));
}
