import type { Usage } from '../bytes/read-usage.ts';
import { readResult } from './answer-reading.ts';
import type { Reading } from './answer-reading.ts';
import { decide, familyOf, isCrash } from './fault-table.ts';
import type { Observation, Row } from './fault-table.ts';
import { ForwardFailed } from './forwarded-call.ts';
import type { ForwardedAnswer } from './forwarded-call.ts';
import { isSuccess } from './http-call.ts';
import type { Listing } from './model-listing.ts';
import type { Charge } from './rate-budget.ts';
import type { NetworkFailure } from './network-failures.ts';
import { retryAfterMs } from './retry-after.ts';
import { describeSymptom } from './reasons.ts';
import type { ServedModel } from './served-model.ts';
import type { Upstream } from './upstream.ts';
import type {
  AttemptOutcome,
  AttemptRequest,
  FileForms,
  ForwardRequest,
  ForwardSlot,
  Slot,
  Verdict,
} from './upstreams.ts';
import { verdictOf } from './verdicts.ts';
import type { AttemptEnd, Pass } from './window.ts';

type FailedReading = Extract<Reading, { kind: 'failure' }>;

/** A connection that was closed while it idled breaks as soon as it is used; one that breaks later carried the request to somebody. */
const STALE_WITHIN_MS = 5_000;

const NO_WAY_THERE: ReadonlySet<NetworkFailure> = new Set(['refused', 'dns', 'unreachable', 'tls']);

const OTHER: AttemptEnd = { kind: 'other' };
const OVERLOADED: AttemptEnd = { kind: 'overloaded' };

/** A request that goes out: the name under which it asks for its model, its size, and whether the upstream is to take nothing beside. */
interface Wanted {
  readonly asked: string;
  readonly bodyBytes: number;
  readonly alone?: boolean;
}

/** A place in a window, and the attempt made in it. */
export class UpstreamSlot implements Slot, ForwardSlot {
  readonly renamed: string | null;
  readonly onTrial: boolean;
  readonly #upstream: Upstream;
  readonly #served: ServedModel;
  readonly #onFree: () => void;
  readonly #pass: Pass;
  readonly #upstreamStay: number;
  readonly #modelStay: number;
  readonly #enteredWhenSent: number;
  readonly #bodyBytes: number;
  readonly #charge: Charge;
  readonly #startedAlone: boolean;
  readonly #isAlone: boolean;
  #used = false;

  /** Enters the window, which must have a place (`freeShare` above 0). */
  constructor(
    upstream: Upstream,
    served: ServedModel,
    { asked, bodyBytes, alone = false }: Wanted,
    onFree: () => void,
  ) {
    const pass = served.window.enter();
    if (pass === null) throw new Error('The window has no free place.');
    this.renamed = served.model === asked ? null : served.model;
    this.onTrial = upstream.health.state === 'trial' || served.health.state === 'trial';
    this.#upstream = upstream;
    this.#served = served;
    this.#onFree = onFree;
    this.#pass = pass;
    this.#upstreamStay = upstream.health.enter();
    this.#modelStay = served.health.enter();
    this.#bodyBytes = bodyBytes;
    this.#charge = upstream.budget.charge(served.tokens.of(bodyBytes));
    this.#startedAlone = upstream.inFlight === 0;
    this.#isAlone = alone;
    if (alone) upstream.take();
    upstream.inFlight += 1;
    upstream.entered += 1;
    this.#enteredWhenSent = upstream.entered;
  }

  get upstream(): string {
    return this.#upstream.name;
  }

  get fileForms(): FileForms {
    return this.#upstream.fileForms;
  }

  release(): void {
    this.#use();
    this.#upstream.budget.refund(this.#charge);
    this.#leave(OTHER, null);
  }

  async send(request: AttemptRequest, signal?: AbortSignal): Promise<Verdict> {
    this.#use();
    const { budget, calls, clock, random } = this.#upstream;
    const sentAt = clock.elapsed();
    const answersWhenSent = this.#served.evidence.answers;
    let end = OTHER;
    let outcome: AttemptOutcome = 'aborted';
    let askedMs: number | null = null;
    try {
      for (let resent = false; ; resent = true) {
        const result = await calls.post(request, signal);
        if ('headers' in result) budget.heed(result.headers, this.#charge);
        const reading = readResult(result, clock.now());
        if (reading.kind === 'answer') {
          this.#upstream.noteAnswer(this.#served, request.endpoint, this.#enteredWhenSent);
          this.#noteUsage(reading.verdict);
          const { outputTokens } = reading.verdict;
          end = { kind: 'answered', outputTokens, elapsedMs: clock.elapsed() - sentAt };
          outcome = 'succeeded';
          return reading.verdict;
        }
        const mayBeStale = !resent && clock.elapsed() - sentAt <= STALE_WITHIN_MS;
        const failure = mayBeStale ? reading : asFresh(reading, resent);
        const observed = await this.#observe(failure, request, answersWhenSent);
        const row = decide(observed);
        if (row.line === 'resend') continue;
        if (row.upstream === 'shrink') {
          end = OVERLOADED;
          budget.settle(this.#charge, 0);
          askedMs = failure.retryAfterMs;
        } else this.#act(row, failure, request.endpoint);
        const { faults, crashes } = request;
        const verdict = verdictOf(row, failure, { faults, crashes, alone: observed.alone }, random);
        outcome = outcomeOf(verdict, end);
        return verdict;
      }
    } finally {
      this.#upstream.attempts[outcome] += 1;
      this.#leave(end, askedMs);
    }
  }

  async forward(request: ForwardRequest, signal: AbortSignal): Promise<ForwardedAnswer> {
    this.#use();
    const { budget, calls, clock } = this.#upstream;
    const sentAt = clock.elapsed();
    try {
      const answer = await calls.forward(request, signal);
      budget.heed(answer.headers, this.#charge);
      // Not the request: until the answer is taken, which a caller may never do, it would hold its body.
      const { endpoint } = request;
      answer.body.once('close', () => this.#leaveForwarded(answer, endpoint, sentAt));
      return answer;
    } catch (error) {
      this.#upstream.attempts[error instanceof ForwardFailed ? 'retried' : 'aborted'] += 1;
      // Where no connection comes about there is nothing to weigh; what else fails is judged by requests that can be compared.
      if (error instanceof ForwardFailed && NO_WAY_THERE.has(error.failure))
        this.#upstream.health.down(describeSymptom(error.failure, 0, error.message, null), false);
      this.#leave(OTHER, null);
      throw error;
    }
  }

  #leaveForwarded({ status, headers, body }: ForwardedAnswer, endpoint: string, sentAt: number): void {
    const { clock, attempts } = this.#upstream;
    if (status === 429 || status === 503 || status === 529) {
      attempts.refused += 1;
      this.#leave(OVERLOADED, retryAfterMs(headers, null, clock.now()));
      return;
    }
    const isWhole = body.readableEnded && isSuccess(status);
    if (isWhole) this.#upstream.noteAnswer(this.#served, endpoint, this.#enteredWhenSent);
    attempts[isWhole ? 'succeeded' : body.readableEnded ? 'failed' : 'aborted'] += 1;
    // Its tokens stay unknown: what passes through is not read.
    const elapsedMs = clock.elapsed() - sentAt;
    this.#leave(isWhole ? { kind: 'answered', outputTokens: 0, elapsedMs } : OTHER, null);
  }

  /** An answer that does not say what it used keeps its estimate. */
  #noteUsage(usage: Usage): void {
    const used = usage.inputTokens + usage.outputTokens;
    if (used === 0) return;
    this.#served.tokens.learn(this.#bodyBytes, usage);
    this.#upstream.budget.settle(this.#charge, used);
  }

  async #observe(
    { symptom }: FailedReading,
    request: AttemptRequest,
    answersWhenSent: number,
  ): Promise<Observation> {
    const upstream = this.#upstream;
    const alone = this.#startedAlone && upstream.entered === this.#enteredWhenSent;
    const family = familyOf(symptom);
    const known =
      family === null
        ? { answeredMeanwhile: false, answeredSince: false, failedAlike: false, again: false }
        : this.#served.evidence.failed(family, request.body, answersWhenSent, upstream.entered);
    const breakOff = isCrash(symptom) ? upstream.joinBreakOff() : null;
    const asks =
      family === 'breakdown'
        ? breakOff !== null || !known.answeredMeanwhile
        : family !== null || symptom === 404;
    const listing = asks ? await upstream.evidence() : null;
    // What broke off together has all been seen by now: the listing took a way to the upstream and back.
    const allBroke = breakOff !== null && breakOff.inFlight > 1 && breakOff.broken >= breakOff.inFlight;
    if (breakOff !== null) upstream.endBreakOff(breakOff);
    const modelListed = listing?.kind === 'models' ? listing.models.includes(this.#served.model) : null;
    const mayLackEndpoint = (symptom === 404 || symptom === 405) && modelListed !== false;
    const endpointThere = mayLackEndpoint ? await upstream.hasEndpoint(request.endpoint) : null;
    return { symptom, ...known, alone, allBroke, listing: listingSays(listing), modelListed, endpointThere };
  }

  #act(row: Row, { symptom, reason }: FailedReading, endpoint: string): void {
    const { health } = this.#upstream;
    const served = this.#served;
    switch (row.upstream) {
      case 'pause-upstream':
        return health.pause(reason);
      case 'pause-model':
        served.unlisted = symptom === 404;
        served.forbiddenAt = symptom === 403 ? endpoint : null;
        return served.health.pause(
          served.unlisted
            ? `does not list the model ${served.model} any more`
            : `${reason}, for model ${served.model},`,
        );
      case 'pause-endpoint':
        return this.#upstream.missEndpoint(endpoint);
      case 'down-upstream':
        // Where no connection came about, nothing is suspect but the way there: it may start at full width again.
        return health.down(reason, familyOf(symptom) !== null);
      case 'down-model':
        return served.health.down(`${reason}, whatever it is asked of model ${served.model},`, true);
      default:
    }
  }

  #use(): void {
    if (this.#used) throw new Error('A slot is used once.');
    this.#used = true;
  }

  /** `askedMs`: for so long it asked to be left alone. */
  #leave(end: AttemptEnd, askedMs: number | null): void {
    const upstream = this.#upstream;
    const served = this.#served;
    upstream.inFlight -= 1;
    if (this.#isAlone) upstream.isTaken = false;
    upstream.health.leave(this.#upstreamStay);
    served.health.leave(this.#modelStay);
    const wasLeast = served.window.limit === 1;
    const change = served.window.leave(this.#pass, end);
    if (end.kind === 'overloaded') {
      // A smaller window is the answer to load; only where it cannot shrink further, waiting is.
      if (askedMs !== null || (wasLeast && change === 'cut')) upstream.quiet(served, askedMs);
    }
    this.#onFree();
  }
}

function outcomeOf(verdict: Verdict, end: AttemptEnd): AttemptOutcome {
  if (verdict.kind !== 'retry') return verdict.kind;
  return end.kind === 'overloaded' ? 'refused' : 'retried';
}

/**
 * As a failure of a connection that was not stale. If nobody takes a request any more that was sent before, on a connection that
 * broke, the upstream died with it in flight, as far as anybody can tell.
 */
function asFresh(reading: FailedReading, resent: boolean): FailedReading {
  const { symptom } = reading;
  const isBreak = symptom === 'stale' || (resent && symptom === 'refused');
  return isBreak ? { ...reading, symptom: 'reset' } : reading;
}

function listingSays(listing: Listing | null): Observation['listing'] {
  if (listing === null || listing.kind === 'none') return 'unknown';
  if (listing.kind === 'silent') return 'silent';
  return listing.kind === 'refused' ? 'refused-alike' : 'answers';
}
