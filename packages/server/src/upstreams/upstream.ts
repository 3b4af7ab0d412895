import type { Clock } from '../observe/clock.ts';
import { Health } from './health.ts';
import type { Listing } from './model-listing.ts';
import { ModelNames } from './model-names.ts';
import { askItself } from './own-question.ts';
import { RateBudget } from './rate-budget.ts';
import { duration } from './reasons.ts';
import { ServedEndpoints } from './served-endpoints.ts';
import { ServedModel } from './served-model.ts';
import { UpstreamCalls } from './upstream-calls.ts';
import { DEFAULT_FILE_FORMS, DEFAULT_MAX_IN_FLIGHT } from './upstreams.ts';
import type {
  AttemptOutcome,
  FileForms,
  PauseByHand,
  UpstreamConfig,
  UpstreamState,
  UpstreamStatus,
} from './upstreams.ts';

const REFRESH_LISTING_MS = 60_000;
const KEEP_FREE_MS = 5_000;
const ANY_NAME = new ModelNames(['*']);

export interface UpstreamLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface UpstreamDependencies {
  readonly clock: Clock;
  /** From 0 to 1, for jitter. */
  readonly random: () => number;
  readonly log: UpstreamLog;
  /** Larger answers end their line. */
  readonly maxAnswerBytes: number;
}

/** Attempts that broke off at about the same time, of so many that were in flight then. */
export interface BreakOff {
  readonly inFlight: number;
  broken: number;
}

/**
 * One upstream: which models it serves and how it is. It asks `/v1/models` at the start and each minute, sooner as a probe of
 * what is down, and at once when a failure is to be judged; all three read the same answer in the same way.
 */
export class Upstream implements AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly found: boolean;
  readonly maxInFlight: number;
  readonly weight: number;
  readonly fileForms: FileForms;
  readonly calls: UpstreamCalls;
  readonly health: Health;
  readonly budget: RateBudget;
  readonly endpoints: ServedEndpoints;
  readonly clock: Clock;
  readonly random: () => number;
  /** Attempts that ever went out; tells an attempt whether it was alone. */
  entered = 0;
  inFlight = 0;
  /** What is in flight is to stay alone. */
  isTaken = false;
  readonly attempts: Record<AttemptOutcome, number> = {
    succeeded: 0,
    failed: 0,
    refused: 0,
    retried: 0,
    aborted: 0,
  };
  #breakOff: BreakOff | null = null;
  /** Until when (elapsed) nothing goes out because a request waits to be alone here; null if none does. */
  #keptFreeUntil: number | null = null;
  readonly #log: UpstreamLog;
  readonly #onChange: () => void;
  readonly #configured: ModelNames | null;
  /** By what the upstream calls them: names that mean one model share its window and its health. */
  readonly #models = new Map<string, ServedModel>();
  #names: ModelNames | null;
  #listing: Listing | null = null;
  #listedAt = -Infinity;
  #checking: Promise<Listing> | null = null;
  #nextCheck: Promise<Listing> | null = null;
  /** It refuses to list its models with a key that it takes for requests. */
  #listsToNobody = false;
  #cancelCheck: () => void = () => {};
  #closed = false;

  constructor(config: UpstreamConfig, dependencies: UpstreamDependencies, onChange: () => void) {
    const { clock, random, log, maxAnswerBytes } = dependencies;
    this.name = config.name;
    this.url = config.url;
    this.found = config.found ?? false;
    this.maxInFlight = config.maxInFlight ?? DEFAULT_MAX_IN_FLIGHT;
    this.weight = config.weight ?? 1;
    this.fileForms = config.fileForms ?? DEFAULT_FILE_FORMS;
    this.clock = clock;
    this.random = random;
    this.#log = log;
    this.#onChange = onChange;
    this.#configured = config.models == null ? null : new ModelNames(config.models);
    this.#names = this.#configured;
    this.endpoints = new ServedEndpoints(config.endpoints ?? null, clock, onChange);
    this.calls = new UpstreamCalls(config, clock, maxAnswerBytes);
    const { requestsPerMinute = null, tokensPerMinute = null } = config;
    this.budget = new RateBudget(this.name, { requestsPerMinute, tokensPerMinute }, clock, onChange);
    this.health = new Health(clock, random, (state, reason) => this.#entered(state, reason, {}));
  }

  /** Names that jobs may ask for; null until known. */
  get serves(): readonly string[] | 'any' | null {
    return this.#names?.asked ?? null;
  }

  /** Whether it answered when last asked, and has ever told its models: one that refuses our key says nothing about them. */
  get reachable(): boolean {
    return this.#listing !== null && this.#listing.kind !== 'silent' && this.#names !== null;
  }

  /** Null if it does not serve what is asked for, as far as known. */
  servedModel(asked: string): ServedModel | null {
    const model = this.#names?.upstreamNameOf(asked) ?? null;
    if (model === null) return null;
    let served = this.#models.get(model);
    if (served === undefined) {
      const health = new Health(this.clock, this.random, (state, reason) =>
        this.#entered(state, reason, { model }),
      );
      served = new ServedModel(model, this.maxInFlight, health);
      this.#models.set(model, served);
    }
    return served;
  }

  /**
   * Free part of the model's window and of the upstream's own cap, times the weight; 0 if nothing of so many bytes can go out
   * now.
   */
  freeShare(served: ServedModel, bodyBytes: number): number {
    if (this.isTaken || this.#keptFreeUntil !== null) return 0;
    if (!this.health.admits || !served.health.admits) return 0;
    const { limit, inFlight } = served.window;
    const free = Math.min(1 - inFlight / limit, 1 - this.inFlight / this.maxInFlight);
    // Asked last: only what has a place can wait for the budget.
    return free > 0 && this.budget.admits(served.tokens.of(bodyBytes)) ? this.weight * free : 0;
  }

  /** Whether a request may go out alone, as soon as nothing else is in flight. */
  admitsAlone(served: ServedModel, bodyBytes: number, onTrial: boolean): boolean {
    if (this.isTaken || !this.health.admits || !served.health.admits) return false;
    if (!this.budget.admits(served.tokens.of(bodyBytes))) return false;
    return onTrial || (this.health.state === 'up' && served.health.state === 'up');
  }

  /** Lets nothing but a request alone go out for a while; a request that does not come to claim its place holds up nobody longer. */
  keepFree(): void {
    const isKept = this.#keptFreeUntil !== null;
    this.#keptFreeUntil = this.clock.elapsed() + KEEP_FREE_MS;
    if (!isKept) this.#waitForClaim();
  }

  /** The request that was to be alone goes out. */
  take(): void {
    this.isTaken = true;
    this.#keptFreeUntil = null;
  }

  /** Windows of the models that can be served, within its own cap. One that takes any model counts with its cap. */
  capacity(): number {
    const { serves } = this;
    if (serves === null) return 0;
    if (serves === 'any') return this.maxInFlight;
    let windows = 0;
    for (const served of new Set(serves.map((asked) => this.servedModel(asked)))) {
      if (served?.health.servable === true) windows += served.window.limit;
    }
    return Math.min(windows, this.maxInFlight);
  }

  /** Why nothing of this model goes out here to this endpoint; null if it does, or if it is not served here. */
  whyWaiting(endpoint: string, model: string): string | null {
    const served = this.servedModel(model);
    if (served === null && this.#names !== null) return null;
    if (!this.health.servable) return this.#why(this.health);
    if (served === null) return `${this.url} has not said yet which models it serves.`;
    if (!served.health.servable) return this.#why(served.health);
    const whyNot = this.endpoints.whyNot(endpoint);
    if (whyNot !== null) return `${this.url} ${whyNot}.`;
    const quiet = Math.max(this.health.quietUntil ?? 0, served.health.quietUntil ?? 0);
    if (quiet === 0) return this.budget.waitsFor;
    return `${this.url} has too much to do; next try in ${duration(quiet - this.clock.now())}.`;
  }

  status(): UpstreamStatus {
    const { name, url, found, inFlight, maxInFlight, attempts } = this;
    const { state, reason, since, pausedByHand, quietUntil } = this.health;
    const models = [...this.#models.values()].map((served) => served.status());
    const serves = this.serves ?? [];
    return {
      name,
      url,
      state,
      reason,
      since,
      pausedByHand,
      found,
      quietUntil,
      waitsFor: this.budget.waitsFor,
      inFlight,
      maxInFlight,
      attempts: { ...attempts },
      serves,
      models,
    };
  }

  /** A complete answer to an attempt, by its number. */
  noteAnswer(served: ServedModel, endpoint: string, attempt: number): void {
    this.endpoints.noteAnswer(endpoint);
    if (this.#listing?.kind === 'refused') this.#listsToNobody = true;
    served.evidence.answered(attempt);
    served.health.answered();
    this.health.answered();
  }

  /** Sends nothing more to an endpoint that it turned out not to have, until it is tried again in a minute. */
  missEndpoint(endpoint: string): void {
    if (!this.endpoints.noteMissing(endpoint)) return;
    this.#log.warn({ upstream: this.name, endpoint }, `Upstream does not serve ${endpoint}.`);
    this.#onChange();
  }

  /** An attempt broke off: alone, or with others that do until `endBreakOff`. */
  joinBreakOff(): BreakOff {
    this.#breakOff ??= { inFlight: this.inFlight, broken: 0 };
    this.#breakOff.broken += 1;
    return this.#breakOff;
  }

  endBreakOff(breakOff: BreakOff): void {
    if (this.#breakOff === breakOff) this.#breakOff = null;
  }

  /** Leaves the upstream alone if it said for how long, else the model for a growing moment. */
  quiet(served: ServedModel, ms: number | null): void {
    const until = (ms === null ? served.health : this.health).quiet(ms);
    this.clock.after(until - this.clock.now(), this.#onChange);
  }

  /**
   * What `/v1/models` says, asked after now: an answer from before a crash would clear the crash. Failures that come
   * together share one question.
   */
  async evidence(): Promise<Listing> {
    this.#nextCheck ??= this.#checkAgain();
    const listing = await this.#nextCheck;
    return listing.kind === 'refused' && this.#listsToNobody ? { kind: 'none' } : listing;
  }

  /**
   * Whether it has the endpoint, null if that cannot be told. Of an upstream that takes any model it is not asked: nobody could tell
   * which requests to hold back.
   */
  async hasEndpoint(endpoint: string): Promise<boolean | null> {
    if (this.serves === 'any') return null;
    return this.endpoints.isThere(endpoint, (asked) => this.calls.hasEndpoint(asked));
  }

  /** Asks for the models, once at a time, and acts on the answer. Never rejects. */
  check(): Promise<Listing> {
    this.#checking ??= this.calls.list().then((listing) => {
      this.#checking = null;
      if (!this.#closed) this.#learn(listing);
      return listing;
    });
    return this.#checking;
  }

  pause({ reason, pausedAt }: PauseByHand): void {
    this.health.pauseByHand(reason === '' ? 'is paused by hand' : `is paused by hand (${reason})`, pausedAt);
  }

  resume(): void {
    this.health.resumeByHand();
    this.endpoints.forgetMissing();
    for (const served of this.#models.values()) {
      served.unlisted = false;
      served.health.resumeByHand();
    }
    void this.check();
    this.#onChange();
  }

  /** Sets the next check: of what waits for a probe, or the refresh. */
  schedule(): void {
    this.#cancelCheck();
    if (this.#closed) return;
    const now = this.clock.now();
    let at = this.health.probeAt;
    if (this.health.servable) {
      at = now + Math.max(0, this.#listedAt + REFRESH_LISTING_MS - this.clock.elapsed());
      for (const { health } of this.#models.values()) at = Math.min(at, health.probeAt);
    }
    if (at === Infinity) return;
    this.#cancelCheck = this.clock.after(Math.max(0, at - now), () => void this.check());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancelCheck();
    this.budget.close();
    await this.calls[Symbol.asyncDispose]();
  }

  async #checkAgain(): Promise<Listing> {
    await this.#checking;
    this.#nextCheck = null;
    return this.check();
  }

  /** It may be asked to keep free again meanwhile, and then waits on. */
  #waitForClaim(): void {
    this.clock.after(KEEP_FREE_MS, () => {
      if (this.#keptFreeUntil === null || this.#closed) return;
      if (this.#keptFreeUntil > this.clock.elapsed()) return this.#waitForClaim();
      this.#keptFreeUntil = null;
      this.#onChange();
    });
  }

  #learn(listing: Listing): void {
    this.#listing = listing;
    this.#listedAt = this.clock.elapsed();
    if (listing.kind === 'models') this.#serve(this.#configured ?? new ModelNames(listing.models));
    if (listing.kind === 'none') this.#serve(this.#configured ?? ANY_NAME);
    this.#judgeUpstream(listing);
    if (listing.kind !== 'silent') this.#judgeModels(listing);
    this.schedule();
    this.#onChange();
  }

  #judgeModels(listing: Listing): void {
    for (const served of this.#models.values()) {
      if (served.health.probeAt <= this.clock.now())
        served.judge(listing, (endpoint) => askItself(this, served, endpoint));
    }
  }

  #serve(names: ModelNames): void {
    if (String(names.asked) !== String(this.serves))
      this.#log.info(
        { upstream: this.name, models: names.asked, maxInFlight: this.maxInFlight },
        'Upstream tells its models.',
      );
    this.#names = names;
  }

  #judgeUpstream(listing: Listing): void {
    const { health } = this;
    if (listing.kind === 'silent') {
      // A server whose threads all generate may be too busy to list its models; its answers speak for it.
      if (health.servable && listing.failure === 'timeout' && this.inFlight > 0) return;
      if (health.servable) health.down(listing.reason, false);
      else health.stillDown(listing.reason);
    } else if (listing.kind === 'refused' && (this.#names === null || health.state === 'paused')) {
      health.pause(
        `refuses to list its models (HTTP ${listing.status}). Check its API key, or list its models in bora.yaml`,
      );
    } else if (this.#names === null) {
      health.down(`answers HTTP 429 to GET /v1/models`, false);
    } else health.recover();
  }

  #entered(state: UpstreamState, reason: string | null, about: { model?: string }): void {
    if (state === 'down') this.endpoints.forgetAnswers();
    const fields = { upstream: this.name, ...about };
    const what = about.model === undefined ? 'Upstream' : 'Model of upstream';
    if (state === 'up') this.#log.info(fields, `${what} is up.`);
    else if (state === 'trial')
      this.#log.info(fields, `${what} answers again; trying one request at a time.`);
    else this.#log.warn(fields, `${what} is ${state}: it ${reason}.`);
    this.schedule();
    this.#onChange();
  }

  #why({ reason, since, probeAt, state }: Health): string {
    const now = this.clock.now();
    const next =
      probeAt === Infinity
        ? 'it waits to be resumed by hand'
        : state === 'paused'
          ? `next look in ${duration(probeAt - now)}, or resume it by hand`
          : `next try in ${duration(probeAt - now)}`;
    return `${this.url} ${reason} since ${duration(now - since)}; ${next}.`;
  }
}
