import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from '@bora/server/storage/ports/database';

/** What of the database is on the platter when the power is back. */
export type Remains =
  /** Every commit that was answered, and of the one in progress a torn piece of the log. */
  | 'acknowledged'
  /** The commit in progress too: it was durable, and nobody was told. */
  | 'in-progress';

/**
 * Real SQLite whose power can be cut. Calls go one at a time, so that at most one commit is in progress when it happens; the thread
 * may end that one, its caller is not answered, and nothing is called any more.
 *
 * Checkpoints must be off (see without-checkpoints.ts).
 */
export class PoweredDatabase {
  readonly #folder: string;
  #isOff = false;
  #turn: Promise<unknown> = Promise.resolve();
  /** Length of the log as of the last answer. */
  #answered = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Stands before `database`, which is closed through it as ever. */
  wrap(database: Database): Database {
    this.#answered = this.#logLength();
    return new Proxy(database, {
      get: (target, property: keyof Database) => {
        if (property === 'lost') return target.lost;
        if (property === 'onHint' || property === Symbol.asyncDispose) return target[property].bind(target);
        const method = target[property] as ((...args: unknown[]) => Promise<unknown>) | undefined;
        if (typeof method !== 'function') return method;
        return (...args: unknown[]): Promise<unknown> => this.#inTurn(() => method.apply(target, args));
      },
    });
  }

  cut(): void {
    this.#isOff = true;
  }

  /** Once the power is cut: copies to the empty folder `to` what is left. `random` says where the log is torn. */
  async copyRemains(to: string, remains: Remains, random: () => number): Promise<void> {
    await this.#turn;
    const log = existsSync(this.#log) ? readFileSync(this.#log) : Buffer.alloc(0);
    const torn = Math.floor(random() * (log.length - this.#answered));
    const end = remains === 'acknowledged' ? this.#answered + torn : log.length;
    copyFileSync(join(this.#folder, 'bora.sqlite'), join(to, 'bora.sqlite'));
    writeFileSync(join(to, 'bora.sqlite-wal'), log.subarray(0, end));
  }

  #inTurn(call: () => Promise<unknown>): Promise<unknown> {
    const answer = this.#turn.then(async () => {
      this.#assertOn();
      const result = await call();
      this.#assertOn();
      this.#answered = this.#logLength();
      return result;
    });
    this.#turn = answer.catch(() => {});
    return answer;
  }

  #assertOn(): void {
    if (this.#isOff) throw new Error('The power is off.');
  }

  get #log(): string {
    return join(this.#folder, 'bora.sqlite-wal');
  }

  #logLength(): number {
    return existsSync(this.#log) ? statSync(this.#log).size : 0;
  }
}
