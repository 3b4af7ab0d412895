import { readFileRange } from '../files/content.ts';
import { Bell } from '../observe/bell.ts';
import type { HeldAgainst } from '../storage/ports/attempts.ts';
import type { JournalIndexRow } from '../storage/ports/journal.ts';
import type { ClaimedShard } from '../storage/ports/shard-queue.ts';
import type { JournalWriter } from './journal-writer.ts';
import type { Lanes } from './lanes.ts';
import { aboutShard, OpenShard } from './open-shard.ts';
import { unreadable, type OpenShards } from './open-shards.ts';
import type { Sender } from './sender.ts';
import type { ShardLeases } from './shard-leases.ts';
import type { StorageTrouble } from './storage-trouble.ts';
import type { WorkerDependencies } from './worker.ts';

/** Requests kept read per lane, in windows: one in flight, one ready behind it. */
const WINDOWS_AHEAD = 2;
const LEAST_AHEAD = 32;
/** Leases asked for at once: a claim is one transaction, however many shards it takes. */
const MOST_CLAIMS = 32;
const POLL_MS = 1_000;

export interface FeederOptions extends Pick<
  WorkerDependencies,
  'database' | 'blobs' | 'upstreams' | 'clock' | 'log' | 'reachStopPoint' | 'settings' | 'validation'
> {
  readonly session: string;
  readonly lanes: Lanes;
  readonly leases: ShardLeases;
  readonly journal: JournalWriter;
  readonly shards: OpenShards;
  readonly sender: Sender;
  readonly trouble: StorageTrouble;
  /** Claims and reads nothing more once it aborts. */
  readonly stopping: AbortSignal;
  readonly ended: AbortSignal;
}

/** Keeps the lanes filled: reads on in open shards, and claims more when they do not hold enough. */
export class Feeder {
  readonly #options: FeederOptions;
  readonly #bell = new Bell();
  /** Routes for which the last claim found nothing. Asked for again after a hint or a poll, not after each answer. */
  readonly #barren = new Set<string>();
  /** Batches whose end was announced since the last claim began: shards of them may still be among the claimed. */
  readonly #stoppedBatches = new Set<string>();
  #requestsPerShard = 1;
  /** A page is being read; then it looks again by itself. */
  #isReading = false;

  constructor(options: FeederOptions) {
    this.#options = options;
  }

  /** Runs until the session ends; ring it then. */
  async run(): Promise<void> {
    const { clock, log, ended } = this.#options;
    let askedAt = clock.elapsed();
    while (!ended.aborted) {
      if (clock.elapsed() - askedAt >= POLL_MS) {
        askedAt = clock.elapsed();
        this.#barren.clear();
      }
      try {
        if (await this.#feedOnce()) continue;
      } catch (error) {
        if (ended.aborted) return;
        log.error({ err: error }, 'work could not be read or claimed; trying again');
      }
      await this.#bell.wait(clock, POLL_MS);
    }
  }

  /** There may be room for more, if there is more to read or to claim. */
  ring(): void {
    this.#bell.ring();
  }

  /** The lanes may have run low. Called after each answer, and so it wakes nobody in vain. */
  ringIfHungry(): void {
    if (this.#isReading) return;
    const hungry = this.#hungryRoutes();
    if (hungry.length === 0) return;
    if (this.#claimable(hungry).length > 0 || this.#shardToReadFor(hungry) !== null) this.#bell.ring();
  }

  /** There may be something to claim. */
  lookAgain(): void {
    this.#barren.clear();
    this.#bell.ring();
  }

  noteStopped(batchId: string): void {
    this.#stoppedBatches.add(batchId);
  }

  /** Whether requests that were read take all the memory they may. */
  get isBudgetSpent(): boolean {
    const { lanes, sender, settings } = this.#options;
    return lanes.bytes + sender.inFlightBytes >= settings.requestBudgetBytes;
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

  /** Routes that can be served and have fewer requests read than they could send soon. */
  #hungryRoutes(): readonly string[] | 'any' {
    const { upstreams, lanes, journal, stopping } = this.#options;
    if (stopping.aborted || this.isBudgetSpent || journal.isFull) return [];
    const ahead = Math.max(LEAST_AHEAD, WINDOWS_AHEAD * upstreams.capacity());
    const routes = upstreams.routes();
    if (routes === 'any') return lanes.waitingInAll() < ahead ? 'any' : [];
    return routes.filter((route) => lanes.waiting(route) < ahead);
  }

  #claimable(hungry: readonly string[] | 'any'): readonly string[] | 'any' {
    if (hungry === 'any') return this.#barren.has('any') ? [] : 'any';
    return hungry.filter((route) => !this.#barren.has(route));
  }

  #shardToReadFor(routes: readonly string[] | 'any'): OpenShard | null {
    if (routes.length === 0) return null;
    for (const shard of this.#options.shards) {
      if (!shard.hasUnread || (shard.isLone && this.#hasServable(shard))) continue;
      if (routes === 'any' || shard.onlyRoute === null || routes.includes(shard.onlyRoute)) return shard;
    }
    return null;
  }

  /** Something of it waits that can be sent. If nothing does, what is unread may be for other routes. */
  #hasServable(shard: OpenShard): boolean {
    const { lanes, upstreams } = this.#options;
    if (shard.waiting === 0) return false;
    const routes = upstreams.routes();
    return routes === 'any' || lanes.routesOf(shard).some((route) => routes.includes(route));
  }

  async #readPage(shard: OpenShard): Promise<void> {
    const { lanes, sender, shards, log } = this.#options;
    try {
      this.#isReading = true;
      const { requests, bad } = await shard.readPage();
      if (shard.isClosed || shard.isStopped) return;
      for (const request of requests) lanes.add(request);
      for (const line of bad) sender.failUnsent(shard, line);
    } catch (error) {
      if (shard.isClosed || shard.isStopped) return;
      log.error({ ...aboutShard(shard.work), err: error }, 'the input of a shard cannot be read');
      shard.parkedFor = unreadable('input', error);
      shards.stop(shard);
      return;
    } finally {
      this.#isReading = false;
    }
    sender.pump();
  }

  async #claim(routes: readonly string[] | 'any'): Promise<boolean> {
    const { upstreams, leases, shards, trouble, settings, reachStopPoint } = this.#options;
    const room = settings.maxOpenShards - shards.size;
    if (room <= 0) return false;
    const wanted = Math.ceil((WINDOWS_AHEAD * upstreams.capacity()) / this.#requestsPerShard);
    await trouble.test();
    this.#stoppedBatches.clear();
    const claimed = await leases.claim({
      routes,
      limit: Math.min(room, MOST_CLAIMS, Math.max(1, wanted)),
      // A quarter of the places stays free for other batches, however many shards one has.
      perBatch: Math.max(1, Math.floor((settings.maxOpenShards * 3) / 4)),
      heldBatches: trouble.heldBatches,
    });
    if (claimed.length === 0) {
      for (const route of routes === 'any' ? ['any'] : routes) this.#barren.add(route);
      return false;
    }
    await reachStopPoint('claim.committed');
    for (const work of claimed) {
      this.#requestsPerShard = Math.max(1, work.count);
      await this.#open(work);
    }
    return true;
  }

  async #open(work: ClaimedShard): Promise<void> {
    const { database, blobs, session, leases, shards, trouble, log, settings, validation, ended } =
      this.#options;
    let journal: JournalIndexRow[] | null;
    let attempts: HeldAgainst[] | null;
    try {
      journal = await this.#journalOf(work);
      attempts = await this.#attemptsOf(work);
    } catch (error) {
      if (ended.aborted) return;
      log.error({ ...aboutShard(work), err: error }, 'the journal of a shard cannot be read');
      shards.setAside(work, unreadable('journal', error));
      return;
    }
    if (ended.aborted) return;
    if (journal === null || attempts === null) {
      leases.forget({ shardId: work.id, epoch: work.epoch });
      return;
    }
    const admitted = trouble.admit(work);
    if (typeof admitted === 'object') {
      shards.setAside(work, admitted);
      return;
    }
    const end = work.start + work.length;
    const pages = readFileRange({ database, blobs }, work.fileId, work.start, end, ended);
    const { endpoint, isLenient } = work.batch;
    const rules = isLenient ? validation.rulesFor(endpoint) : null;
    const shard = new OpenShard(work, session, journal, attempts, pages, settings.maxLineBytes, rules);
    shard.isLone ||= admitted === 'trial';
    shards.add(shard);
    if (this.#stoppedBatches.has(work.batch.id)) shards.stop(shard);
    else shards.advance(shard);
  }

  /** What earlier leases left. Null if this lease is gone. */
  async #journalOf({ id: shardId, epoch, journaled }: ClaimedShard): Promise<JournalIndexRow[] | null> {
    if (!journaled) return [];
    const { database, session } = this.#options;
    return database.readJournalIndex({ shardId, epoch, session });
  }

  /** What is held against its requests since earlier leases. Null if this lease is gone. */
  async #attemptsOf({ id: shardId, epoch, attempted }: ClaimedShard): Promise<HeldAgainst[] | null> {
    if (!attempted) return [];
    const { database, session } = this.#options;
    return database.readAttempts({ shardId, epoch, session });
  }
}
