import { CommitQueue } from '../batches/commit-queue.ts';
import { errorBody, failureLine, successLine } from '../batches/result-line.ts';
import type { OpenSession } from '../batches/session.ts';
import { spliceBody } from '../bytes/splice-body.ts';
import { BlobNamePool } from '../files/blob-names.ts';
import { readFileRange } from '../files/content.ts';
import { Bell } from '../observe/bell.ts';
import type { Outcome } from '../storage/ports/journal.ts';
import type { ClaimedShard, ParkedFor } from '../storage/ports/shard-queue.ts';
import type { Slot, Verdict } from '../upstreams/upstreams.ts';
import { SpilledLine } from './answer-spill.ts';
import { JournalWriter } from './journal-writer.ts';
import { Lanes } from './lanes.ts';
import { OpenShard, type BadRequest } from './open-shard.ts';
import type { Request } from './request.ts';
import { ShardLeases } from './shard-leases.ts';
import type { WorkerDependencies } from './worker.ts';

const NO_LINE = new Uint8Array();
/** Requests kept read per lane, in windows: one in flight, one ready behind it. */
const WINDOWS_AHEAD = 2;
const LEAST_AHEAD = 32;
/** Leases asked for at once: a claim is one transaction, however many shards it takes. */
const MOST_CLAIMS = 32;
const POLL_MS = 1_000;
/** Every so many polls, batches of open shards are looked at, in case a hint about their end was lost. */
const POLLS_PER_LOOK = 5;
/** How long a stop waits for the database to take what was answered, after the grace. */
const SETTLE_MS = 5_000;
/** A shard whose input or journal cannot be read is left alone so long: it may be mended meanwhile. */
const SET_ASIDE_MS = 30_000;
const DRAIN_PAGE = 16;
const UNTOUCHED_PAGE = 1_000;

/**
 * The work of one session: claim → read → send → journal → commit, all bounded, until the session is lost or stopped.
 *
 * Three loops share the open shards. `#feed` keeps the lanes filled: it reads on in open shards and claims more. `#pump` moves requests
 * from lanes to free slots; it runs at each event that may allow more (a slot freed, requests read, the journal caught up).
 * `#watch` does once a second what no event announces: parks what cannot go on, and drains what was stopped.
 */
export class SessionRun {
  readonly #deps: WorkerDependencies;
  readonly #session: OpenSession;
  readonly #ended = new AbortController();
  readonly #leases: ShardLeases;
  readonly #names: BlobNamePool;
  readonly #journal: JournalWriter;
  readonly #commits: CommitQueue;
  readonly #lanes = new Lanes();
  readonly #open = new Set<OpenShard>();
  readonly #committing = new Set<Promise<void>>();
  readonly #unsubscribe: (() => void)[];
  #inFlight = 0;
  #inFlightBytes = 0;
  #requestsPerShard = 1;
  #isStopping = false;
  #isPumping = false;
  readonly #feedBell = new Bell();
  readonly #watchBell = new Bell();
  /** Routes for which the last claim found nothing. Asked for again after a hint or a poll, not after each answer. */
  readonly #barren = new Set<string>();
  /** Batches whose end was announced since the last claim began: shards of them may still be among the claimed. */
  readonly #stoppedBatches = new Set<string>();

  constructor(deps: WorkerDependencies, session: OpenSession) {
    this.#deps = deps;
    this.#session = session;
    const { database, blobs, clock, log, reachStopPoint, upstreams, settings } = deps;
    this.#leases = new ShardLeases(database, session.id);
    this.#names = new BlobNamePool(database, session.id);
    this.#commits = new CommitQueue({ database, blobs, names: this.#names, clock, log, reachStopPoint });
    this.#journal = new JournalWriter({
      journal: database,
      session: session.id,
      clock,
      log,
      delayMs: settings.journalDelayMs,
      maxUnjournaled: settings.maxUnjournaled,
      maxUnjournaledBytes: settings.answerBudgetBytes,
      names: this.#names,
      onSettled: (shard, result) => this.#onJournaled(shard, result),
      ended: this.#ended.signal,
    });
    session.lost.addEventListener('abort', () => this.#end(), { once: true });
    this.#unsubscribe = [
      upstreams.onChange(() => this.#pump()),
      database.onHint((hint) => {
        if (hint.kind === 'batch-stopped') this.#stopBatch(hint.batchId);
        this.#barren.clear();
        this.#feedBell.ring();
        this.#watchBell.ring();
      }),
    ];
  }

  /** Works until the session ends. */
  async run(): Promise<void> {
    await Promise.all([this.#feed(), this.#watch()]);
    await Promise.allSettled(this.#committing);
  }

  /**
   * Stops in order: sends nothing more, lets what is in flight finish for `graceMs`, journals it, gives the leases back.
   * Answers how many attempts were aborted; exactly those are sent again.
   */
  async stop(graceMs: number): Promise<{ aborted: number }> {
    this.#isStopping = true;
    for (const shard of this.#open) this.#lanes.drop(shard);
    const graceOver = this.#deps.clock.elapsed() + graceMs;
    while (this.#inFlight > 0 && this.#deps.clock.elapsed() < graceOver) await this.#deps.clock.sleep(10);
    const aborted = this.#inFlight;
    for (const shard of this.#open) shard.abortInFlight('Bora is stopping.');
    await this.#settleWithin(SETTLE_MS);
    this.#end();
    return { aborted };
  }

  /** Waits for the journal and for commits under way, but not for ever: a database that fails might never take them. */
  async #settleWithin(ms: number): Promise<void> {
    const settled = new AbortController();
    const settle = async (): Promise<void> => {
      await this.#journal.flushAll();
      await Promise.allSettled(this.#committing);
      settled.abort();
    };
    await Promise.race([settle(), this.#deps.clock.sleep(ms, settled.signal).catch(() => undefined)]);
  }

  #end(): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(new Error('The session has ended.'));
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const shard of this.#open) this.#drop(shard, 'The session has ended.');
    this.#feedBell.ring();
    this.#watchBell.ring();
  }

  // Feeding

  async #feed(): Promise<void> {
    const { clock, log } = this.#deps;
    let askedAt = clock.elapsed();
    while (!this.#ended.signal.aborted) {
      if (clock.elapsed() - askedAt >= POLL_MS) {
        askedAt = clock.elapsed();
        this.#barren.clear();
      }
      try {
        if (await this.#feedOnce()) continue;
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        log.error({ err: error }, 'work could not be read or claimed; trying again');
      }
      await this.#feedBell.wait(clock, POLL_MS);
    }
  }

  /** Reads one page or claims once. False if there is nothing to do until something happens. */
  async #feedOnce(): Promise<boolean> {
    const hungry = this.#hungryRoutes();
    const shard = this.#shardToReadFor(hungry);
    if (shard !== null) {
      await this.#readPage(shard);
      return true;
    }
    const claimable = this.#claimable(hungry);
    return claimable.length > 0 && this.#claim(claimable);
  }

  #canFeed(): boolean {
    const hungry = this.#hungryRoutes();
    if (hungry.length === 0) return false;
    return this.#claimable(hungry).length > 0 || this.#shardToReadFor(hungry) !== null;
  }

  #claimable(hungry: readonly string[] | 'any'): readonly string[] | 'any' {
    if (hungry === 'any') return this.#barren.has('any') ? [] : 'any';
    return hungry.filter((route) => !this.#barren.has(route));
  }

  /** Routes that can be served and have fewer requests read than they could send soon. */
  #hungryRoutes(): readonly string[] | 'any' {
    const { upstreams } = this.#deps;
    if (this.#isStopping || this.#isBudgetSpent() || this.#journal.isFull) return [];
    const ahead = Math.max(LEAST_AHEAD, WINDOWS_AHEAD * upstreams.capacity());
    const routes = upstreams.routes();
    if (routes === 'any') return this.#lanes.waitingInAll() < ahead ? 'any' : [];
    return routes.filter((route) => this.#lanes.waiting(route) < ahead);
  }

  #isBudgetSpent(): boolean {
    return this.#lanes.bytes + this.#inFlightBytes >= this.#deps.settings.requestBudgetBytes;
  }

  #shardToReadFor(routes: readonly string[] | 'any'): OpenShard | null {
    if (routes.length === 0) return null;
    for (const shard of this.#open) {
      if (!shard.hasUnread) continue;
      if (routes === 'any' || shard.onlyRoute === null || routes.includes(shard.onlyRoute)) return shard;
    }
    return null;
  }

  async #readPage(shard: OpenShard): Promise<void> {
    try {
      const { requests, bad } = await shard.readPage();
      if (shard.isClosed || shard.isStopped) return;
      for (const request of requests) this.#lanes.add(request);
      for (const line of bad) this.#failUnsent(shard, line);
    } catch (error) {
      if (shard.isClosed || shard.isStopped) return;
      this.#deps.log.error({ ...aboutShard(shard.work), err: error }, 'the input of a shard cannot be read');
      shard.readFailure = messageOf(error);
      this.#stopShard(shard);
      return;
    }
    this.#pump();
  }

  async #claim(routes: readonly string[] | 'any'): Promise<boolean> {
    const { upstreams, settings, reachStopPoint } = this.#deps;
    const room = settings.maxOpenShards - this.#open.size;
    if (room <= 0) return false;
    const wanted = Math.ceil((WINDOWS_AHEAD * upstreams.capacity()) / this.#requestsPerShard);
    this.#stoppedBatches.clear();
    const claimed = await this.#leases.claim({
      routes,
      limit: Math.min(room, MOST_CLAIMS, Math.max(1, wanted)),
      // A quarter of the places stays free for other batches, however many shards one has.
      perBatch: Math.max(1, Math.floor((settings.maxOpenShards * 3) / 4)),
    });
    if (claimed.length === 0) {
      for (const route of routes === 'any' ? ['any'] : routes) this.#barren.add(route);
      return false;
    }
    await reachStopPoint('claim.committed');
    for (const work of claimed) {
      this.#requestsPerShard = Math.max(1, work.count);
      await this.#openShard(work);
    }
    return true;
  }

  async #openShard(work: ClaimedShard): Promise<void> {
    const { database, blobs, log } = this.#deps;
    let journaled: Outcome[] | null;
    try {
      journaled = await this.#journaledOf(work);
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      log.error({ ...aboutShard(work), err: error }, 'the journal of a shard cannot be read');
      this.#release(work, { ms: SET_ASIDE_MS, reason: `Its journal cannot be read: ${messageOf(error)}` });
      return;
    }
    if (this.#ended.signal.aborted) return;
    if (journaled === null) {
      this.#leases.forget({ shardId: work.id, epoch: work.epoch });
      return;
    }
    const pages = readFileRange(
      { database, blobs },
      work.fileId,
      work.start,
      work.start + work.length,
      this.#ended.signal,
    );
    const shard = new OpenShard(work, this.#session.id, journaled, pages);
    this.#open.add(shard);
    if (this.#stoppedBatches.has(work.batch.id)) this.#stopShard(shard);
    else this.#advance(shard);
  }

  /** What earlier leases left. Null if this lease is gone. */
  async #journaledOf({ id: shardId, epoch, journaled }: ClaimedShard): Promise<Outcome[] | null> {
    if (!journaled) return [];
    const { database } = this.#deps;
    const index = await database.readJournalIndex({ shardId, epoch, session: this.#session.id });
    return index && index.flatMap((row) => row.outcomes);
  }

  // Sending

  #pump(): void {
    if (this.#isPumping || this.#isStopping || this.#ended.signal.aborted) return;
    this.#isPumping = true;
    // One request per lane and round, so that lanes that share an upstream share its window.
    for (let sent = true; sent;) {
      sent = false;
      for (const route of this.#lanes.routes()) {
        if (!this.#lanes.isReady(route)) continue;
        if (this.#journal.isFull) break;
        const slot = this.#deps.upstreams.tryAcquire(route);
        if (slot === null) continue;
        const request = this.#lanes.take(route);
        if (request === null) {
          slot.release();
          continue;
        }
        void this.#send(request, slot);
        sent = true;
      }
    }
    this.#isPumping = false;
    if (this.#canFeed()) this.#feedBell.ring();
  }

  async #send(request: Request, slot: Slot): Promise<void> {
    const { shard } = request;
    const { batch } = shard.work;
    let spill: SpilledLine | null = null;
    shard.inFlight += 1;
    this.#inFlight += 1;
    this.#inFlightBytes += request.body.length;
    try {
      const verdict = await slot.send(
        {
          endpoint: batch.endpoint,
          route: request.route,
          body: spliceBody(request.body, batch.model === null ? {} : { model: batch.model }),
          faults: request.faults,
          openSpill: async (status) => {
            spill = await SpilledLine.open(request, status, {
              blobs: this.#deps.blobs,
              names: this.#names,
            });
            return spill;
          },
        },
        shard.aborted,
      );
      const held = this.#deps.reachStopPoint('dispatch.answered');
      if (held !== undefined) await held;
      this.#settle(request, verdict, spill);
    } catch (error) {
      if (!shard.aborted.aborted) {
        this.#deps.log.error(
          { ...aboutShard(shard.work), err: error },
          'an attempt ended in an error of our own',
        );
        this.#retryLater(request, POLL_MS);
      }
    } finally {
      shard.inFlight -= 1;
      this.#inFlight -= 1;
      this.#inFlightBytes -= request.body.length;
      this.#advance(shard);
    }
  }

  #settle(request: Request, verdict: Verdict, spill: SpilledLine | null): void {
    const { shard, ordinal } = request;
    const { batch, fileId } = shard.work;
    if (shard.isClosed) {
      void spill?.abandon();
      return;
    }
    switch (verdict.kind) {
      case 'succeeded': {
        const line =
          verdict.body === null ? NO_LINE : successLine(batch, fileId, request, verdict.status, verdict.body);
        const { inputTokens, outputTokens } = verdict;
        const blob = verdict.body === null ? (spill?.blob ?? null) : null;
        this.#journal.add(
          shard,
          { ordinal, kind: 'succeeded', length: line.length, blob, error: null, inputTokens, outputTokens },
          line,
        );
        return;
      }
      case 'failed': {
        const line = failureLine(batch, fileId, request, verdict.status, verdict.body);
        this.#journal.add(shard, failedOutcome(ordinal, line, verdict.reason), line);
        return;
      }
      case 'retry':
        if (verdict.countsAgainstLine) request.faults += 1;
        this.#retryLater(request, verdict.afterMs);
    }
  }

  #retryLater(request: Request, afterMs: number): void {
    const { shard } = request;
    if (shard.isClosed || shard.isStopped || this.#isStopping) return;
    this.#lanes.delay(request);
    this.#deps.clock.after(afterMs, () => {
      if (this.#lanes.resume(request)) this.#pump();
    });
  }

  /** A bad line ends as failed without being sent. */
  #failUnsent(shard: OpenShard, bad: BadRequest): void {
    const { batch, fileId } = shard.work;
    const body = errorBody(bad.message, 'invalid_request_error', 'invalid_line');
    const line = failureLine(batch, fileId, bad, 422, body);
    this.#journal.add(shard, failedOutcome(bad.ordinal, line, 'Invalid line'), line);
  }

  // After each change of a shard

  #onJournaled(shard: OpenShard, result: 'accepted' | 'fenced'): void {
    if (result === 'fenced') this.#drop(shard, 'The lease is gone.');
    else this.#advance(shard);
    this.#pump();
  }

  /** Commits a shard, or gives it up, once there is nothing left to wait for. */
  #advance(shard: OpenShard): void {
    if (shard.isClosed || this.#ended.signal.aborted) return;
    const isDone = shard.isComplete || (shard.isStopped && shard.isIdle);
    if (!isDone) return;
    this.#close(shard);
    const { readFailure } = shard;
    if (shard.isComplete || readFailure === null) this.#track(this.#commit(shard.lease));
    else this.#release(shard.work, { ms: SET_ASIDE_MS, reason: `Its input cannot be read: ${readFailure}` });
  }

  async #commit(lease: OpenShard['lease']): Promise<void> {
    const result = await this.#commits.commit(lease, this.#ended.signal);
    this.#leases.forget(lease);
    if (result === 'fenced')
      this.#deps.log.warn({ shard: lease.shardId }, 'a shard was taken over by another');
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        if (!this.#ended.signal.aborted)
          this.#deps.log.error({ err: error }, 'a shard could not be given up; trying again');
      })
      .finally(() => this.#committing.delete(tracked));
    this.#committing.add(tracked);
  }

  #close(shard: OpenShard): void {
    this.#lanes.drop(shard);
    shard.close();
    this.#open.delete(shard);
    this.#feedBell.ring();
  }

  #drop(shard: OpenShard, reason: string): void {
    this.#close(shard);
    this.#leases.forget(shard.lease);
    shard.abortInFlight(reason);
  }

  // Stopping, parking, draining

  #stopBatch(batchId: string): void {
    const { clock, settings } = this.#deps;
    this.#stoppedBatches.add(batchId);
    for (const shard of this.#open) {
      if (shard.work.batch.id !== batchId || (shard.isStopped && shard.readFailure === null)) continue;
      // It ends with what it has; the rest of its input matters no more.
      shard.readFailure = null;
      clock.after(settings.stopGraceMs, () => shard.abortInFlight('The batch was stopped.'));
      this.#stopShard(shard);
    }
  }

  #stopShard(shard: OpenShard): void {
    shard.stop();
    this.#lanes.drop(shard);
    this.#advance(shard);
  }

  async #watch(): Promise<void> {
    const { clock, log } = this.#deps;
    for (let poll = 0; !this.#ended.signal.aborted; poll++) {
      try {
        if (!this.#isStopping) {
          await this.#leases.settleDoubt();
          this.#parkUnservable();
          await this.#drain();
          if (poll % POLLS_PER_LOOK === 0) await this.#lookForStoppedBatches();
        }
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        log.error({ err: error }, 'stopped and waiting shards could not be looked after; trying again');
      }
      await this.#watchBell.wait(clock, POLL_MS);
    }
  }

  /** Parks shards all of whose requests wait for routes that nobody serves now. */
  #parkUnservable(): void {
    const { upstreams } = this.#deps;
    const servable = upstreams.routes();
    if (servable === 'any') return;
    for (const shard of this.#open) {
      if (shard.inFlight > 0 || shard.unjournaled > 0) continue;
      const routes = shard.onlyRoute === null ? this.#lanes.routesOf(shard) : [shard.onlyRoute];
      const [route] = routes;
      if (route === undefined || routes.some((other) => servable.includes(other))) continue;
      // It may wait for several routes, and be parked for one only: it stays while it takes nobody's place.
      const mayWaitForOthers = routes.length > 1 || (shard.hasUnread && shard.onlyRoute === null);
      if (mayWaitForOthers && !this.#isCrowded()) continue;
      this.#close(shard);
      const reason = upstreams.whyWaiting(route) ?? 'No upstream serves it now.';
      this.#release(shard.work, { route, reason });
    }
  }

  #isCrowded(): boolean {
    return this.#isBudgetSpent() || this.#open.size >= this.#deps.settings.maxOpenShards;
  }

  #release({ id: shardId, epoch }: ClaimedShard, parked: ParkedFor): void {
    this.#track(this.#leases.release({ shardId, epoch, parked }));
  }

  /** Commits what stopped batches have, claimed in drain: nothing is sent. */
  async #drain(): Promise<void> {
    const { database, reachStopPoint } = this.#deps;
    while ((await database.drainUntouched(UNTOUCHED_PAGE)) > 0);
    for (;;) {
      const claimed = await this.#leases.claimDrain(DRAIN_PAGE);
      if (claimed.length === 0) return;
      await reachStopPoint('drain.claimed');
      const commits = claimed.map(({ id: shardId, epoch }) =>
        this.#commit({ shardId, epoch, session: this.#session.id }),
      );
      for (const commit of commits) this.#track(commit);
      while (this.#committing.size >= DRAIN_PAGE) await Promise.race(this.#committing);
    }
  }

  async #lookForStoppedBatches(): Promise<void> {
    const batches = new Map([...this.#open].map(({ work }) => [work.batch.id, work.batch.workspaceId]));
    for (const [batchId, workspaceId] of batches) {
      const batch = await this.#deps.database.getBatch(workspaceId, batchId);
      if (batch === null || batch.state !== 'running') this.#stopBatch(batchId);
    }
  }
}

function failedOutcome(ordinal: number, line: Uint8Array, error: string): Outcome {
  return { ordinal, kind: 'failed', length: line.length, blob: null, error, inputTokens: 0, outputTokens: 0 };
}

function aboutShard({ batch, number }: ClaimedShard): { batch: string; shard: number } {
  return { batch: batch.id, shard: number };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
