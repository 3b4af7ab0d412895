import type { HeldAgainst } from '../storage/ports/attempts.ts';
import type { JournalIndexRow, ShardLease } from '../storage/ports/journal.ts';
import type { ClaimedShard, ParkedForTime } from '../storage/ports/shard-queue.ts';
import { wordsFor } from '../batches/lines/fault-words.ts';
import { lineFormatOf } from '../batches/lines/line-format.ts';
import { faultOf, membersAsked } from '../batches/lines/request-rules.ts';
import type { RequestRules } from '../batches/lines/request-rules.ts';
import { routeOf } from '../storage/ports/batch-records.ts';
import { LineSplitter, type Line } from '../bytes/line-splitter.ts';
import { customIdOf, parseRequestLine, readCheckedLine, readRequestLine } from '../bytes/request-line.ts';
import type { ParsedLine } from '../bytes/request-line.ts';
import { tooLongLine } from '../bytes/bad-line.ts';
import type { BadLine } from '../bytes/bad-line.ts';
import { POISON_DEATHS, WATCHED_DEATHS, type Request } from './request.ts';

/** A line that is never sent, and why. */
export interface BadRequest {
  readonly ordinal: number;
  readonly customId: Uint8Array | null;
  /** Permanent; `poison`: workers died over it. Any other says why it is no request. */
  readonly code: string;
  readonly message: string;
}

export interface ReadRequests {
  readonly requests: Request[];
  readonly bad: BadRequest[];
}

/**
 * A shard that this worker has leased and works on. Its lines are read page by page as the lanes have room, so an open shard
 * costs a page of memory, not its size.
 *
 * Life: reading and sending until every request is journaled (`isComplete`), then committed by the session run. `stop` ends it early:
 * nothing more is read or sent, and once idle it is committed with what it has (drain), or given up for a while (`parkedFor`).
 */
export class OpenShard {
  readonly work: ClaimedShard;
  readonly lease: ShardLease;
  /** The one route that all its requests wait for, or null if lines bring their own models. */
  readonly onlyRoute: string | null;
  /** Requests in the lanes, in flight, and answered but not yet in the journal. */
  waiting = 0;
  inFlight = 0;
  unjournaled = 0;
  /** Requests whose attempts are not written down yet. */
  unrecorded = 0;
  /** The next journal row's number under this epoch. */
  sequence = 0;
  hasUnread = true;
  isStopped = false;
  /** Set with `stop` where it is to be given up for a while instead of being committed. */
  parkedFor: ParkedForTime | null = null;
  /** Sends one request at a time; see `Lanes.add`. */
  isLone: boolean;
  /** Of a lone shard: requests that wait for the one before them, in order. */
  readonly later: Request[] = [];
  /** Bytes of its journal rows that no fold has taken up yet. */
  unfoldedBytes: number;
  /** The last fold of its journal, begun or ended. Never rejects. */
  folded: Promise<void> = Promise.resolve();
  /** Taken out of the open shards: committing, parked, released or lost. Late events about it are ignored. */
  isClosed = false;

  readonly #aborted = new AbortController();
  readonly #alreadyJournaled: ReadonlySet<number>;
  readonly #splitter: LineSplitter;
  readonly #pages: AsyncIterator<Uint8Array>;
  readonly #heldAgainst: ReadonlyMap<number, HeldAgainst>;
  readonly #rules: RequestRules | null;
  #nextOrdinal: number;
  #missing: number;

  /**
   * `journal` is what earlier leases left; requests in it are never sent again. `rules`: what each line is held to beside being a
   * request, where nobody has looked yet; null: nothing.
   */
  constructor(
    work: ClaimedShard,
    session: string,
    journal: readonly JournalIndexRow[],
    attempts: readonly HeldAgainst[],
    pages: AsyncIterable<Uint8Array>,
    maxLineBytes: number,
    rules: RequestRules | null,
  ) {
    this.work = work;
    this.#rules = rules;
    const { endpoint, model } = work.batch;
    this.onlyRoute = model === null ? null : routeOf(endpoint, model);
    this.lease = { shardId: work.id, epoch: work.epoch, session };
    this.#alreadyJournaled = new Set(
      journal.flatMap(({ outcomes }) => outcomes.map(({ ordinal }) => ordinal)),
    );
    this.unfoldedBytes = journal.reduce((sum, { blob, length }) => sum + (blob === null ? length : 0), 0);
    this.#heldAgainst = new Map(attempts.map((held) => [held.ordinal, held]));
    this.isLone = this.isWatched;
    this.#missing = work.count - this.#alreadyJournaled.size;
    this.#nextOrdinal = work.firstOrdinal;
    this.#splitter = new LineSplitter({ start: work.start, number: work.firstLine, maxLineBytes });
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** Aborts attempts in flight when the shard is lost or its grace is over. */
  get aborted(): AbortSignal {
    return this.#aborted.signal;
  }

  /** Requests without a journaled outcome. */
  get missing(): number {
    return this.#missing;
  }

  /** Every request has an outcome that is journaled, or was taken to be committed without the journal. */
  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Workers died over it: before a request is sent the database is told which. */
  get isWatched(): boolean {
    return this.work.deaths >= WATCHED_DEATHS;
  }

  /** Its dialect wants lines for requests without an outcome, so it cannot be committed without them. */
  get needsDrain(): boolean {
    return !this.isComplete && lineFormatOf(this.work.batch.dialect).unanswered !== null;
  }

  /** Nothing of it waits, flies or is about to be written down. */
  get isIdle(): boolean {
    return this.waiting === 0 && !this.isUnderWay;
  }

  /** Something of it flies or is about to be written down: it cannot be given up now. */
  get isUnderWay(): boolean {
    return this.inFlight > 0 || this.unjournaled > 0 || this.unrecorded > 0;
  }

  countJournaled(outcomes: number, bytes: number): void {
    this.unfoldedBytes += bytes;
    this.unjournaled -= outcomes;
    this.#missing -= outcomes;
  }

  /** Reads on. Only one call at a time. */
  async readPage(): Promise<ReadRequests> {
    const page = await this.#pages.next();
    const read: ReadRequests = { requests: [], bad: [] };
    if (this.isStopped || this.isClosed) return read;
    const lines = page.done ? this.#splitter.finish() : this.#splitter.push(page.value);
    for (const line of lines) {
      if (!line.isBlank) this.#readLine(line, read);
    }
    if (page.done) {
      this.hasUnread = false;
      this.#checkAllSeen();
    }
    return read;
  }

  #readLine(line: Line, read: ReadRequests): void {
    const ordinal = this.#nextOrdinal++;
    if (this.#alreadyJournaled.has(ordinal)) return;
    const bad = (message: string, customId: Uint8Array | null = null, code = 'invalid_line'): void => {
      read.bad.push({ ordinal, customId, code, message: `Line ${line.number}: ${message}` });
    };
    const { batch, isChecked } = this.work;
    const fault = this.#rules === null ? null : faultOf(parseLine(line, this.#rules), this.#rules);
    if (fault !== null) {
      const { code, message } = wordsFor({ ...fault, line: line.number }, batch.endpoint);
      return bad(message, line.content && customIdOf(line.content), code);
    }
    if (line.content === null) return bad('The line is longer than the limit.');
    let route = this.onlyRoute;
    let parsed = isChecked && route !== null ? readCheckedLine(line.content) : null;
    if (parsed === null) {
      const whole = readRequestLine(line.content);
      if (whole.kind === 'bad') return bad(whole.message);
      if (whole.bodyModel !== null) route ??= routeOf(batch.endpoint, whole.bodyModel);
      parsed = whole;
    }
    if (route === null) return bad('Neither the job nor the body names a model.', parsed.customId);
    const held = this.#heldAgainst.get(ordinal);
    if (held !== undefined && held.deaths >= POISON_DEATHS) {
      const message = `Bora died ${held.deaths} times while it worked on this request and on nothing else.`;
      read.bad.push({ ordinal, customId: parsed.customId, code: 'poison', message });
      return;
    }
    read.requests.push({
      shard: this,
      ordinal,
      customId: parsed.customId,
      body: parsed.body,
      route,
      faults: held?.faults ?? 0,
      crashes: held?.crashes ?? 0,
      deaths: held?.deaths ?? 0,
    });
  }

  /** Plan counted the same lines from the same bytes; anything else would lose or invent requests. */
  #checkAllSeen(): void {
    const seen = this.#nextOrdinal - this.work.firstOrdinal;
    if (seen !== this.work.count) {
      throw new Error(`Shard ${this.work.id} holds ${seen} requests where its plan says ${this.work.count}.`);
    }
  }

  /** Sends and reads nothing more. What is in flight may still finish. */
  stop(): void {
    this.isStopped = true;
    this.hasUnread = false;
  }

  abortInFlight(reason: string): void {
    this.#aborted.abort(new Error(reason));
  }

  /** Takes it out of service and frees its reader. */
  close(): void {
    this.isClosed = true;
    this.hasUnread = false;
    // A reader that cannot be closed has nothing to lose but itself.
    this.#pages.return?.().catch(() => undefined);
  }
}

function parseLine({ content }: Line, rules: RequestRules): ParsedLine | BadLine {
  return content === null ? tooLongLine(0) : parseRequestLine(content, membersAsked(rules));
}

/** Fields of a log line about a shard. */
export function aboutShard({ batch, number }: ClaimedShard): { batch: string; shard: number } {
  return { batch: batch.id, shard: number };
}
