/**
 * How many attempts may be in flight for one model on one upstream. `AimdWindow` is told by refusals; a limiter that finds
 * the window by goodput learns from the same calls, which is why `leave` carries tokens and time.
 */
export interface Window {
  readonly limit: number;
  readonly inFlight: number;
  /** Takes a place; null if there is none. */
  enter(): Pass | null;
  /** Gives the place back and learns from how the attempt ended. */
  leave(pass: Pass, end: AttemptEnd): WindowChange;
}

/** Number of the attempt, in the order of entering. */
export type Pass = number;

export type AttemptEnd =
  | { readonly kind: 'answered'; readonly outputTokens: number; readonly elapsedMs: number }
  /** Refused for load. */
  | { readonly kind: 'overloaded' }
  /** Says nothing about load: never sent, aborted, failed for another reason. */
  | { readonly kind: 'other' };

export type WindowChange = 'grown' | 'cut' | 'same';

/**
 * Additive increase, multiplicative decrease, between 1 and `cap`. It starts at the cap: a server that can take it is
 * full at once, and one that cannot says so within a round trip.
 */
export class AimdWindow implements Window {
  readonly #cap: number;
  #limit: number;
  #inFlight = 0;
  #entered = 0;
  /** Attempts that entered earlier were sent into the larger window; their refusals are old news. */
  #lastCut = 0;
  #answeredSinceChange = 0;

  constructor(cap: number) {
    this.#cap = cap;
    this.#limit = cap;
  }

  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  enter(): Pass | null {
    if (this.#inFlight >= this.#limit) return null;
    this.#inFlight += 1;
    return this.#entered++;
  }

  leave(pass: Pass, end: AttemptEnd): WindowChange {
    this.#inFlight -= 1;
    if (end.kind === 'answered') return this.#grow();
    if (end.kind === 'overloaded' && pass >= this.#lastCut) return this.#cut();
    return 'same';
  }

  #grow(): WindowChange {
    this.#answeredSinceChange += 1;
    if (this.#answeredSinceChange < this.#limit) return 'same';
    this.#answeredSinceChange = 0;
    if (this.#limit === this.#cap) return 'same';
    this.#limit += 1;
    return 'grown';
  }

  #cut(): WindowChange {
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#lastCut = this.#entered;
    this.#answeredSinceChange = 0;
    return 'cut';
  }
}
