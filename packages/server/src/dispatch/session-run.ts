import type { FindUnanswered } from '../batches/assemble-results.ts';
import { CommitQueue } from '../batches/commit-queue.ts';
import { JournalFolds } from '../batches/journal-folds.ts';
import type { OpenSession } from '../batches/session.ts';
import { lineFormatOf } from '../batches/lines/line-format.ts';
import { unansweredLines } from '../batches/unanswered-lines.ts';
import { BlobNamePool } from '../files/blob-names.ts';
import { Bell } from '../observe/bell.ts';
import type { ClaimedShard } from '../storage/ports/shard-queue.ts';
import { AttemptLog } from './attempt-log.ts';
import { Feeder } from './feeder.ts';
import { JournalWriter } from './journal-writer.ts';
import { Lanes } from './lanes.ts';
import type { OpenShard } from './open-shard.ts';
import { OpenShards } from './open-shards.ts';
import { RoomWatch } from './room-watch.ts';
import { Sender } from './sender.ts';
import { ShardLeases } from './shard-leases.ts';
import { StorageTrouble } from './storage-trouble.ts';
import type { WorkerDependencies } from './worker.ts';

const POLL_MS = 1_000;
/** Every so many polls, batches of open shards are looked at, in case a hint about their end was lost. */
const POLLS_PER_LOOK = 5;
/** How long a stop waits for the database to take what was answered, after the grace. */
const SETTLE_MS = 5_000;
const DRAIN_PAGE = 16;
const UNTOUCHED_PAGE = 1_000;

/**
 * The work of one session: claim → read → send → journal → commit, all bounded, until the session is lost or stopped.
 *
 * The feeder claims and reads, the sender sends and hands answers to the journal, both over the same lanes and open shards. What no
 * event announces is done here once a second: parks what cannot go on, and drains what was stopped.
 */
export class SessionRun {
  readonly #deps: WorkerDependencies;
  readonly #session: string;
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();
  readonly #leases: ShardLeases;
  readonly #room: RoomWatch;
  readonly #lanes = new Lanes();
  readonly #shards: OpenShards;
  readonly #journal: JournalWriter;
  readonly #attempts: AttemptLog;
  readonly #sender: Sender;
  readonly #feeder: Feeder;
  readonly #watchBell = new Bell();
  readonly #unsubscribe: (() => void)[];

  constructor(deps: WorkerDependencies, session: OpenSession) {
    this.#deps = deps;
    this.#session = session.id;
    const { database, blobs, clock, log, reachStopPoint, upstreams, settings, waits } = deps;
    const lanes = this.#lanes;
    const stopping = this.#stopping.signal;
    const ended = this.#ended.signal;
    const names = new BlobNamePool(database, session.id);
    const leases = new ShardLeases(database, session.id);
    const shards = new OpenShards({
      lanes,
      leases,
      commits: new CommitQueue({ database, blobs, names, waits, clock, log, reachStopPoint }),
      folds: new JournalFolds({ database, blobs, names, log, reachStopPoint }),
      settings,
      log,
      takeLast: (shard) => this.#journal.takeLast(shard),
      ended,
      onClosed: (shard) => {
        trouble.closed(shard);
        this.#feeder.ring();
      },
    });
    const trouble = new StorageTrouble({ blobs, names, lanes, shards, clock, log });
    const journal = new JournalWriter({
      journal: database,
      session: session.id,
      clock,
      log,
      waits,
      delayMs: settings.journalDelayMs,
      maxUnjournaled: settings.maxUnjournaled,
      maxUnjournaledBytes: settings.answerBudgetBytes,
      names,
      onSettled: (shard, result) => this.#onJournaled(shard, result),
      onRoom: () => this.#sender.pump(),
      ended,
    });
    const attempts = new AttemptLog({
      database,
      session: session.id,
      clock,
      log,
      onWritten: (shard) => shards.advance(shard),
      ended,
    });
    const room = new RoomWatch({
      blobs,
      minFreeBytes: settings.minFreeBytes,
      waits,
      log,
      onRoom: () => this.#sender.pump(),
    });
    const sender = new Sender({
      upstreams,
      room,
      blobs,
      clock,
      log,
      reachStopPoint,
      names,
      lanes,
      content: deps.content,
      journal,
      shards,
      trouble,
      attempts,
      database,
      stopping,
      onSent: () => this.#feeder.ringIfHungry(),
    });
    this.#leases = leases;
    this.#room = room;
    this.#shards = shards;
    this.#journal = journal;
    this.#attempts = attempts;
    this.#sender = sender;
    this.#feeder = new Feeder({
      ...deps,
      session: session.id,
      lanes,
      leases,
      journal,
      shards,
      sender,
      trouble,
      stopping,
      ended,
    });
    session.lost.addEventListener('abort', () => this.#end(), { once: true });
    this.#unsubscribe = [
      upstreams.onChange(() => sender.pump()),
      database.onHint((hint) => {
        if (hint.kind === 'batch-stopped') this.#stopBatch(hint.batchId);
        this.#feeder.lookAgain();
        this.#watchBell.ring();
      }),
    ];
  }

  /** Works until the session ends. */
  async run(): Promise<void> {
    await this.#room.look();
    await Promise.all([this.#feeder.run(), this.#watch()]);
    await Promise.allSettled(this.#shards.ending);
  }

  /**
   * Stops in order: sends nothing more, lets what is in flight finish for `graceMs`, journals it, gives the leases back.
   * Answers how many attempts were aborted; exactly those are sent again.
   */
  async stop(graceMs: number): Promise<{ aborted: number }> {
    const { clock } = this.#deps;
    this.#stopping.abort();
    for (const shard of this.#shards) this.#lanes.drop(shard);
    const graceOver = clock.elapsed() + graceMs;
    while (this.#sender.inFlight > 0 && clock.elapsed() < graceOver) await clock.sleep(10);
    const aborted = this.#sender.inFlight;
    for (const shard of this.#shards) shard.abortInFlight('Bora is stopping.');
    await this.#settleWithin(SETTLE_MS);
    this.#end();
    return { aborted };
  }

  /** Waits for the journal and for commits under way, but not for ever: a database that fails might never take them. */
  async #settleWithin(ms: number): Promise<void> {
    const settled = new AbortController();
    const settle = async (): Promise<void> => {
      await this.#journal.flushAll();
      await this.#attempts.flush();
      await Promise.allSettled(this.#shards.ending);
      settled.abort();
    };
    await Promise.race([settle(), this.#deps.clock.sleep(ms, settled.signal).catch(() => undefined)]);
  }

  #end(): void {
    if (this.#ended.signal.aborted) return;
    this.#stopping.abort();
    this.#ended.abort(new Error('The session has ended.'));
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const shard of this.#shards) this.#shards.drop(shard, 'The session has ended.');
    this.#feeder.ring();
    this.#watchBell.ring();
  }

  #onJournaled(shard: OpenShard, result: 'accepted' | 'fenced'): void {
    if (result === 'fenced') this.#shards.drop(shard, 'The lease is gone.');
    else this.#shards.advance(shard);
    this.#sender.pump();
  }

  #stopBatch(batchId: string): void {
    const { clock, settings } = this.#deps;
    this.#feeder.noteStopped(batchId);
    for (const shard of this.#shards) {
      if (shard.work.batch.id !== batchId || (shard.isStopped && shard.parkedFor === null)) continue;
      // It ends with what it has; the rest of it matters no more.
      shard.parkedFor = null;
      clock.after(settings.stopGraceMs, () => shard.abortInFlight('The batch was stopped.'));
      this.#shards.stop(shard);
    }
  }

  async #watch(): Promise<void> {
    const { clock, log } = this.#deps;
    for (let poll = 0; !this.#ended.signal.aborted; poll++) {
      try {
        if (!this.#stopping.signal.aborted) {
          await this.#room.look();
          await this.#leases.settleDoubt();
          this.#parkUnservable();
          await this.#drain();
          if (poll % POLLS_PER_LOOK === 0) await this.#lookForStoppedBatches();
          if (poll % POLLS_PER_LOOK === 0) await this.#holdDisabled();
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
    const { upstreams, settings } = this.#deps;
    const servable = upstreams.routes();
    if (servable === 'any') return;
    for (const shard of this.#shards) {
      if (shard.isUnderWay) continue;
      if (shard.isLone && this.#lanes.letOtherGo(shard, servable)) this.#sender.pump();
      const routes = shard.onlyRoute === null ? this.#lanes.routesOf(shard) : [shard.onlyRoute];
      if (routes.length === 0 || routes.some((route) => servable.includes(route))) continue;
      // What it has not read may be for other routes, which would not wake it: it stays while it takes nobody's place.
      const mayWaitForOthers = shard.hasUnread && shard.onlyRoute === null;
      const isCrowded = this.#feeder.isBudgetSpent || this.#shards.size >= settings.maxOpenShards;
      if (mayWaitForOthers && !isCrowded) continue;
      const reasons = routes.map(
        (route) => upstreams.whyWaiting(route) ?? `No upstream serves ${route} now.`,
      );
      this.#shards.park(shard, routes.toSorted(), [...new Set(reasons)].join(' '));
    }
  }

  /** Commits what stopped batches have, and lines for the rest where the dialect wants them: nothing is sent. */
  async #drain(): Promise<void> {
    const { database, reachStopPoint } = this.#deps;
    while ((await database.drainUntouched(UNTOUCHED_PAGE)) > 0);
    for (;;) {
      const claimed = await this.#leases.claimDrain(DRAIN_PAGE);
      if (claimed.length === 0) return;
      await reachStopPoint('drain.claimed');
      for (const work of claimed) {
        const lease = { shardId: work.id, epoch: work.epoch, session: this.#session };
        this.#shards.drain(lease, this.#linesOfUnanswered(work));
      }
      while (this.#shards.ending.size >= DRAIN_PAGE) await Promise.race(this.#shards.ending);
    }
  }

  #linesOfUnanswered(work: ClaimedShard): FindUnanswered | null {
    const { settings } = this.#deps;
    const { unanswered } = lineFormatOf(work.batch.dialect);
    if (unanswered === null) return null;
    return (answered) =>
      unansweredLines(
        this.#deps,
        work,
        answered,
        settings.maxLineBytes,
        (request) => unanswered(work.batch, request),
        this.#ended.signal,
      );
  }

  /** Sends nothing more for workspaces that were disabled. What is in flight may finish, and is kept. */
  async #holdDisabled(): Promise<void> {
    if (this.#shards.size === 0) return;
    const disabled = new Set(await this.#deps.database.disabledWorkspaces());
    for (const shard of this.#shards) {
      if (shard.isStopped || !disabled.has(shard.work.batch.workspaceId)) continue;
      shard.parkedFor = { ms: 0, reason: 'Its workspace is disabled.' };
      this.#shards.stop(shard);
    }
  }

  async #lookForStoppedBatches(): Promise<void> {
    const batches = new Map([...this.#shards].map(({ work }) => [work.batch.id, work.batch.workspaceId]));
    for (const [batchId, workspaceId] of batches) {
      const batch = await this.#deps.database.getBatch(workspaceId, batchId);
      if (batch === null || batch.state !== 'running') this.#stopBatch(batchId);
    }
  }
}
