import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyCounts, fingerprintOf } from './body-counts.ts';
import type { Fingerprint } from './body-counts.ts';
import type { SimulatorClock } from './clock.ts';
import { sample } from './distribution.ts';
import type { Endpoint } from './endpoints.ts';
import { drawFault } from './faults.ts';
import type { Fault } from './faults.ts';
import * as refusals from './refusals.ts';
import { seededRandom } from './seeded-random.ts';
import type { Random } from './seeded-random.ts';
import { refuse, send, sendHalf, sendSlowly } from './send.ts';
import { Slots } from './slots.ts';
import type { SimulatorSettings } from './settings.ts';
import { emptyTally } from './stats.ts';
import type { SimulatorStats } from './stats.ts';
import { isRefusal, readWork, writeAnswer } from './work.ts';
import type { Work } from './work.ts';

/** A request as code sees it that chooses failures itself. */
export interface ReceivedRequest {
  readonly path: string;
  readonly body: Uint8Array;
  /** How often this very body has come by now, from 1; under `forgetBodies`, how many requests have come. */
  readonly times: number;
}

export type ChooseFault = (request: ReceivedRequest) => Fault | null;

/** One request from its complete body to the end of its answer. */
interface Exchange {
  readonly print: Fingerprint;
  readonly response: ServerResponse;
  /** How it will have ended once its last byte is written. */
  end: 'refused' | 'succeeded' | 'reset';
}

/** A day. Node runs a timer of more than 2³¹ ms at once. */
const LONGEST_WORK_MS = 24 * 3600 * 1000;

/** The last seed of what is answered. What goes well or wrong takes the number of times the body came, from 1, instead. */
const ANSWER_SEED = 0;

/**
 * Takes each request for an answer from its body to its end, and counts. The way: read → refused at once, or waiting for a slot →
 * working → answered, or failed. Whatever ends the exchange, it gives its slot back exactly once.
 */
export class Exchanges {
  readonly #clock: SimulatorClock;
  readonly #chooseFault: ChooseFault | null;
  readonly #crash: () => void;
  readonly #bodies = new BodyCounts();
  readonly #slots: Slots;
  #settings: SimulatorSettings;
  #tally = emptyTally(0);
  #inFlight = 0;

  /** `crash` cuts all that is in flight, for a while. */
  constructor(
    settings: SimulatorSettings,
    clock: SimulatorClock,
    chooseFault: ChooseFault | null,
    crash: () => void,
  ) {
    this.#settings = settings;
    this.#clock = clock;
    this.#chooseFault = chooseFault;
    this.#crash = crash;
    this.#slots = new Slots(settings.slots, clock);
  }

  configure(settings: SimulatorSettings): void {
    this.#settings = settings;
    this.#slots.resize(settings.slots);
  }

  stats(): SimulatorStats {
    return {
      ...this.#tally,
      answersByStatus: { ...this.#tally.answersByStatus },
      inFlight: this.#inFlight,
      running: this.#slots.running,
      waiting: this.#slots.waiting,
      distinctBodies: this.#bodies.distinct,
      bodiesAnsweredMoreThanOnce: this.#bodies.answeredMoreThanOnce,
      busySlotMs: this.#slots.busyMs,
    };
  }

  received(body: string | Uint8Array): { readonly received: number; readonly answered: number } {
    return this.#bodies.counts(fingerprintOf(body));
  }

  reset(): void {
    this.#tally = emptyTally(0);
    this.#tally.maxInFlight = this.#inFlight;
    this.#bodies.clear();
    this.#slots.clearBusyTime();
  }

  /** Answers sooner or later, or ends the connection, as the settings say. */
  take(request: IncomingMessage, body: Buffer, endpoint: Endpoint, response: ServerResponse): void {
    const settings = this.#settings;
    const print = fingerprintOf(body);
    const exchange: Exchange = { print, response, end: 'refused' };
    this.#arrive(exchange);
    // Without counts every request still needs luck of its own, or a body that failed once would fail for ever.
    const times = settings.forgetBodies ? this.#tally.requests : this.#bodies.receive(print);
    const { apiKey } = settings;
    if (apiKey !== null && request.headers.authorization !== `Bearer ${apiKey}`) {
      return refuse(response, refusals.WRONG_KEY);
    }
    if (settings.quotaUsedUp) return refuse(response, refusals.QUOTA_USED_UP);

    const random = seededRandom(settings.seed, print.high, print.low, ANSWER_SEED);
    const type = request.headers['content-type'] ?? '';
    const isForm = endpoint.takesForms && /^multipart\/form-data\b/i.test(type);
    const work = readWork(endpoint.read, body, isForm ? type : null, { settings, random });
    if (isRefusal(work)) return refuse(response, work);

    const luck = seededRandom(settings.seed, print.high, print.low, times);
    if (holds(body, settings.refuseText)) return refuse(response, refusals.NOT_ALLOWED);
    const drawn: Fault | null = holds(body, settings.crashText)
      ? { kind: 'crash' }
      : drawFault(settings, luck);
    const fault =
      this.#chooseFault === null ? drawn : this.#chooseFault({ path: request.url ?? '', body, times });
    if (fault?.kind === 'refuse') {
      return refuse(response, refusals.refusedForLoad(fault.status), settings.retryAfterSeconds);
    }
    if (this.#isFull()) return refuse(response, refusals.QUEUE_FULL, settings.retryAfterSeconds);
    this.#work(exchange, work, fault, luck);
  }

  #isFull(): boolean {
    const { slots, maxQueued } = this.#settings;
    return maxQueued !== null && this.#slots.running >= slots && this.#slots.waiting >= maxQueued;
  }

  #work(exchange: Exchange, work: Work, fault: Fault | null, luck: Random): void {
    let cancelTimer: (() => void) | null = null;
    const stay = this.#slots.enter(() => {
      if (fault?.kind === 'hang') return;
      const finish = (): void => {
        this.#slots.leave(stay);
        this.#finish(exchange, work, fault);
      };
      const ms = workMs(work, this.#settings, luck);
      if (ms === 0) queueMicrotask(finish);
      else cancelTimer = this.#clock.after(ms, finish);
    });
    // A client that leaves gives up its slot or its place in the queue, as vLLM aborts what nobody waits for.
    exchange.response.once('close', () => {
      cancelTimer?.();
      this.#slots.leave(stay);
    });
  }

  #finish(exchange: Exchange, work: Work, fault: Fault | null): void {
    const { response } = exchange;
    if (response.destroyed) return;
    if (fault?.kind === 'fail') return refuse(response, refusals.INTERNAL_ERROR);
    if (fault?.kind === 'crash') return this.#crash();
    if (fault?.kind === 'garbage') return send(response, 200, 'text/html', refusals.GARBAGE);
    if (fault?.kind === 'empty') return send(response, 200, 'application/json', '');
    if (fault?.kind === 'reset-before') return resetConnection(exchange);

    const answer = writeAnswer(work, this.#settings);
    if (fault?.kind === 'cut')
      return send(response, 200, 'application/json', answer.slice(0, answer.length / 2));
    if (fault?.kind === 'stall') return sendHalf(response, answer, () => {});
    if (fault?.kind === 'reset-during') return sendHalf(response, answer, () => resetConnection(exchange));
    exchange.end = 'succeeded';
    this.#tally.promptTokens += work.promptTokens;
    this.#tally.completionTokens += work.completionTokens;
    if (fault?.kind === 'slow') sendSlowly(response, answer, this.#settings.slowBodyMs, this.#clock);
    else send(response, 200, 'application/json', answer);
  }

  #arrive(exchange: Exchange): void {
    const tally = this.#tally;
    const now = this.#clock.now();
    this.#inFlight++;
    tally.requests++;
    tally.maxInFlight = Math.max(tally.maxInFlight, this.#inFlight);
    tally.firstRequestAt ??= now;
    tally.lastRequestAt = now;
    tally.busySlotMsAtLastRequest = this.#slots.busyMs;
    exchange.response.once('close', () => this.#depart(exchange));
  }

  #depart({ print, response, end }: Exchange): void {
    const tally = this.#tally;
    this.#inFlight--;
    if (response.writableFinished) {
      tally.answersByStatus[response.statusCode] = (tally.answersByStatus[response.statusCode] ?? 0) + 1;
      if (end === 'succeeded') this.#bodies.answer(print);
    } else if (end === 'reset' || this.#settings.down) tally.resets++;
    else tally.abandoned++;
  }
}

function workMs(work: Work, settings: SimulatorSettings, luck: Random): number {
  const tokenMs =
    settings.tokensPerSecond === null ? 0 : (work.longestChoice / settings.tokensPerSecond) * 1000;
  return Math.min(sample(settings.latencyMs, luck) + tokenMs, LONGEST_WORK_MS);
}

function holds(body: Buffer, text: string | null): boolean {
  return text !== null && body.includes(text);
}

function resetConnection(exchange: Exchange): void {
  exchange.end = 'reset';
  exchange.response.socket?.resetAndDestroy();
}
