import type { Clock } from '../observe/clock.ts';
import { duration } from './reasons.ts';

/** An endpoint that was not there is tried again after this time: the server may have been started anew, with more. */
const MISSING_MS = 60_000;

/** Which endpoints one upstream is asked for: those the operator names, but for those that it turned out not to have. */
export class ServedEndpoints {
  readonly #clock: Clock;
  readonly #configured: readonly string[] | null;
  readonly #onChange: () => void;
  readonly #known = new Set<string>();
  readonly #missing = new Map<string, { readonly since: number; readonly until: number }>();
  readonly #asking = new Map<string, Promise<boolean | null>>();

  /** `configured`: null for all. `onChange` is called when an endpoint may have come back. */
  constructor(configured: readonly string[] | null, clock: Clock, onChange: () => void) {
    this.#configured = configured;
    this.#clock = clock;
    this.#onChange = onChange;
  }

  /** Whether it is meant to have the endpoint. */
  isConfigured(endpoint: string): boolean {
    return this.#configured === null || this.#configured.includes(endpoint);
  }

  /** Whether it can be asked for the endpoint now. */
  has(endpoint: string): boolean {
    return this.isConfigured(endpoint) && (this.#missing.size === 0 || this.#missingUntil(endpoint) === null);
  }

  /** It answered there: a later 404 is about something else. */
  noteAnswer(endpoint: string): void {
    this.#known.add(endpoint);
    this.#missing.delete(endpoint);
  }

  /**
   * Whether it has the endpoint, null if that cannot be told now. `ask` is called where no answer has told it yet, once for all who
   * ask meanwhile.
   */
  async isThere(
    endpoint: string,
    ask: (endpoint: string) => Promise<boolean | null>,
  ): Promise<boolean | null> {
    if (this.#known.has(endpoint)) return true;
    if (this.#missingUntil(endpoint) !== null) return false;
    let asking = this.#asking.get(endpoint);
    if (asking === undefined) {
      asking = ask(endpoint).finally(() => this.#asking.delete(endpoint));
      this.#asking.set(endpoint, asking);
    }
    const isThere = await asking;
    if (isThere === true) this.#known.add(endpoint);
    return isThere;
  }

  /** It went away, and may come back as another server. */
  forgetAnswers(): void {
    this.#known.clear();
  }

  /** Nothing is sent there for a minute. Answers false if that is so already. */
  noteMissing(endpoint: string): boolean {
    if (this.#missingUntil(endpoint) !== null) return false;
    const now = this.#clock.now();
    const since = this.#missing.get(endpoint)?.since ?? now;
    this.#missing.set(endpoint, { since, until: now + MISSING_MS });
    this.#clock.after(MISSING_MS, this.#onChange);
    return true;
  }

  /** What was missing is tried again at once. */
  forgetMissing(): void {
    this.#missing.clear();
  }

  /** For example `does not serve /v1/ocr since 3 s; next try in 57 s`; null if it can be asked. */
  whyNot(endpoint: string): string | null {
    const until = this.#missingUntil(endpoint);
    if (until === null) return null;
    const now = this.#clock.now();
    const since = duration(now - this.#missing.get(endpoint)!.since);
    return `does not serve ${endpoint} since ${since}; next try in ${duration(until - now)}`;
  }

  #missingUntil(endpoint: string): number | null {
    const until = this.#missing.get(endpoint)?.until ?? 0;
    return until > this.#clock.now() ? until : null;
  }
}
