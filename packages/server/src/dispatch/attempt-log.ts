import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Attempts } from '../storage/ports/attempts.ts';
import type { OpenShard } from './open-shard.ts';
import type { Request } from './request.ts';

/** A crash is seen by all that were in flight at about the same time: they share a transaction. */
const COMPANY_MS = 20;
const RETRY_MS = 1_000;

export interface AttemptLogOptions {
  readonly database: Attempts;
  readonly session: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Called for each shard whose requests were written; it may have waited for that. */
  readonly onWritten: (shard: OpenShard) => void;
  readonly ended: AbortSignal;
}

/** Writes down what is held against requests. A shard is not given up before (`OpenShard.unrecorded`), so whoever has it next knows. */
export class AttemptLog {
  readonly #options: AttemptLogOptions;
  readonly #pending = new Set<Request>();
  #writing: Promise<void> | null = null;

  constructor(options: AttemptLogOptions) {
    this.#options = options;
  }

  /** The numbers of this request have changed. */
  note(request: Request): void {
    if (this.#pending.has(request)) return;
    this.#pending.add(request);
    request.shard.unrecorded += 1;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything noted so far is durable, or the session has ended. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { database, session, clock, log, onWritten, ended } = this.#options;
    for (let wait = COMPANY_MS; this.#pending.size > 0 && !ended.aborted;) {
      await clock.sleep(wait, ended).catch(() => undefined);
      const requests = [...this.#pending];
      try {
        await database.recordAttempts(session, requests.map(recorded));
      } catch (error) {
        if (!ended.aborted) log.warn({ err: error }, 'attempts could not be written down; trying again');
        wait = RETRY_MS;
        continue;
      }
      wait = COMPANY_MS;
      for (const request of requests) {
        this.#pending.delete(request);
        request.shard.unrecorded -= 1;
        onWritten(request.shard);
      }
    }
    this.#writing = null;
  }
}

function recorded({
  shard,
  ordinal,
  faults,
  crashes,
}: Request): Parameters<Attempts['recordAttempts']>[1][number] {
  return { shardId: shard.work.id, epoch: shard.work.epoch, ordinal, faults, crashes };
}
