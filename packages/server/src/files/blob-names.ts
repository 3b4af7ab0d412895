import type { BlobNames } from '../storage/ports/blob-names.ts';

const RESERVED_AT_ONCE = 64;
const REFILL_BELOW = 16;

/**
 * Names for the blobs that one session writes. Reserving costs a transaction, so names are reserved many at a time and
 * ahead of need. Names never taken are released with the session.
 */
export class BlobNamePool {
  readonly #database: Pick<BlobNames, 'reserveBlobs' | 'releaseBlobs'>;
  readonly #session: string;
  readonly #names: string[] = [];
  #refilling: Promise<void> | null = null;
  #unreleased: string[] = [];

  constructor(database: Pick<BlobNames, 'reserveBlobs' | 'releaseBlobs'>, session: string) {
    this.#database = database;
    this.#session = session;
  }

  /** A name that nobody else has. Rejects as `reserveBlobs` does; the next call tries again. */
  async take(): Promise<string> {
    let name = this.#names.pop();
    while (name === undefined) {
      await this.#refill();
      name = this.#names.pop();
    }
    // If this fails, whoever finds the pool empty tries again and sees the error.
    if (this.#names.length < REFILL_BELOW) this.#refill().catch(() => {});
    return name;
  }

  /**
   * Gives up names whose bytes nobody will name. Names that a record owns by now are left alone. Never rejects: what
   * cannot be released now is released with the next call, or with the session.
   */
  async release(names: readonly string[]): Promise<void> {
    const released = [...this.#unreleased, ...names];
    this.#unreleased = [];
    if (released.length === 0) return;
    try {
      await this.#database.releaseBlobs(this.#session, released);
    } catch {
      this.#unreleased.push(...released);
    }
  }

  #refill(): Promise<void> {
    this.#refilling ??= this.#reserve().finally(() => {
      this.#refilling = null;
    });
    return this.#refilling;
  }

  async #reserve(): Promise<void> {
    this.#names.push(...(await this.#database.reserveBlobs(this.#session, RESERVED_AT_ONCE)));
  }
}
