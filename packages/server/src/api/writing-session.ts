import { openSession } from '../batches/session.ts';
import { BlobNamePool } from '../files/blob-names.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Database } from '../storage/ports/database.ts';

/** A session while it lives. */
export interface Writing extends AsyncDisposable {
  readonly id: string;
  readonly names: BlobNamePool;
  readonly lost: AbortSignal;
}

/**
 * The session under which the edge writes blobs. It opens at first use; when it is declared dead (this process slept too
 * long), the uploads under way fail and the next one opens a new session.
 */
export class WritingSession implements AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #log: Log;
  #current: Promise<Writing> | null = null;

  constructor(database: Database, clock: Clock, log: Log) {
    this.#database = database;
    this.#clock = clock;
    this.#log = log;
  }

  async current(): Promise<Writing> {
    const found = this.#current;
    const open = await found?.catch(() => null);
    if (open && !open.lost.aborted) return open;
    // Others who found the same dead session may have opened a new one meanwhile.
    if (this.#current === found) this.#current = this.#open();
    return this.#current!;
  }

  /** A write under it was refused because it was declared dead: it hears so itself only with its next heartbeat. */
  async bury(session: string): Promise<void> {
    const found = this.#current;
    const open = await found?.catch(() => null);
    if (open?.id !== session) return;
    if (this.#current === found) this.#current = null;
    await open[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = await this.#current?.catch(() => null);
    await open?.[Symbol.asyncDispose]();
  }

  async #open(): Promise<Writing> {
    const session = await openSession(this.#database, this.#clock, this.#log);
    return {
      id: session.id,
      lost: session.lost,
      names: new BlobNamePool(this.#database, session.id),
      [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
    };
  }
}
