import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { AuditRecords } from '../storage/ports/audit-records.ts';

const INTERVAL_MS = 60 * 60 * 1000;
/** Deleted in one transaction; few enough that nobody waits behind it. */
const ENTRIES_PER_ROUND = 1_000;

export interface AuditRetentionDependencies {
  readonly database: Pick<AuditRecords, 'pruneAudit'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly keepMs: number;
}

/** Forgets entries of the audit log whose time is over, once an hour. */
export class AuditRetention {
  readonly #deps: AuditRetentionDependencies;
  readonly #stop = new AbortController();
  #ended: Promise<void> = Promise.resolve();

  constructor(deps: AuditRetentionDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#ended = this.#loop(this.#stop.signal);
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pruned = await this.#prune();
      if (pruned < ENTRIES_PER_ROUND) await this.#deps.clock.sleep(INTERVAL_MS, signal).catch(() => {});
    }
  }

  async #prune(): Promise<number> {
    const { database, keepMs, log } = this.#deps;
    try {
      return await database.pruneAudit(keepMs, ENTRIES_PER_ROUND);
    } catch (error) {
      log.warn({ err: error }, 'old entries of the audit log could not be removed; trying again in an hour');
      return 0;
    }
  }
}
