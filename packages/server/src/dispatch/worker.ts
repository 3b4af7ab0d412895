import type { BatchValidation } from '../batches/plan.ts';
import { giveBackDowntime, noteUptime } from '../batches/downtime.ts';
import { runExpiry } from '../batches/expiry.ts';
import { openSession } from '../batches/session.ts';
import type { StorageWaits } from '../batches/storage-waits.ts';
import { TaskRunner } from '../batches/task-runner.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Database } from '../storage/ports/database.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import { SessionRun } from './session-run.ts';
import type { LineContent } from './line-content.ts';
import type { DispatchSettings } from './settings.ts';

const REOPEN_MS = 1_000;

export interface WorkerDependencies {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly upstreams: Upstreams;
  readonly content: LineContent;
  readonly waits: StorageWaits;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
  readonly settings: DispatchSettings;
  readonly validation: BatchValidation;
}

/** Does everything that happens to a batch between create and its files: plan, dispatch, commit, finalise, drain, expiry, purge. */
export class Worker {
  readonly #deps: WorkerDependencies;
  readonly #stopped = new AbortController();
  #current: SessionRun | null = null;
  #running: Promise<unknown> = Promise.resolve();

  constructor(deps: WorkerDependencies) {
    this.#deps = deps;
  }

  /** Begins to work; returns at once. */
  start(): void {
    this.#running = Promise.all([this.#runSessions(), this.#keepTime(this.#stopped.signal)]);
  }

  /**
   * Stops in order within about `graceMs`: what is in flight may finish and is journaled, leases are given back. Answers how
   * many attempts were aborted; exactly those are sent again after the next start.
   */
  async stop(graceMs: number): Promise<{ aborted: number }> {
    this.#stopped.abort(new Error('Bora is stopping.'));
    const result = (await this.#current?.stop(graceMs)) ?? { aborted: 0 };
    await this.#running;
    return result;
  }

  /** In this order: what a stop or an outage took from a batch must not expire it, and a note would hide how long that was. */
  async #keepTime(signal: AbortSignal): Promise<void> {
    await giveBackDowntime(this.#deps, signal);
    await Promise.all([runExpiry(this.#deps, signal), noteUptime(this.#deps, signal)]);
  }

  /** One session after another: one declared dead is dead for good, so its run is dropped whole and a new one begins. */
  async #runSessions(): Promise<void> {
    const { database, clock, log } = this.#deps;
    while (!this.#stopped.signal.aborted) {
      try {
        await using session = await openSession(database, clock, log);
        // Whoever called stop() meanwhile found no run to stop, and waits for this loop to end.
        if (this.#stopped.signal.aborted) return;
        const run = new SessionRun(this.#deps, session);
        const tasks = new TaskRunner(this.#deps);
        if (this.#stopped.signal.aborted) return;
        this.#current = run;
        await Promise.all([
          run.run(),
          tasks.run(session.id, AbortSignal.any([session.lost, this.#stopped.signal])),
        ]);
      } catch (error) {
        log.error({ err: error }, 'the worker lost its session; opening a new one');
        await clock.sleep(REOPEN_MS, this.#stopped.signal).catch(() => undefined);
      } finally {
        this.#current = null;
      }
    }
  }
}
