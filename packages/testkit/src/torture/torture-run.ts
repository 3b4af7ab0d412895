import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StopPoint } from '@bora/server/observe/stop-points';
import { startSimulator, type Simulator } from '@bora/simulator/simulator';
import type { CrashPlan } from '../crash/crash-plan.ts';
import { lastPointIn } from '../crash/stop-point-trace.ts';
import { seededRandom } from '../seeded-random.ts';
import { Audit } from './audit.ts';
import { newBooks, readBooks, writeBooks, type TortureBooks } from './books.ts';
import { checkStart } from './check-start.ts';
import { chooseDeath, type Death } from './deaths.ts';
import { Life, LifeEnded, PromiseBroken } from './life.ts';
import { MODELS, SLEEPER, Workload } from './workload.ts';

const HOUR_MS = 3_600_000;
const POLL_MS = 50;
/** What was left open ends within seconds; jobs whose lines go one at a time take longer. */
const LAST_LIFE_MS = 180_000;

export interface TortureSettings {
  /** Holds the data folder of the Bora that is tortured, and the books. */
  readonly folder: string;
  readonly kills: number;
  /** Of a new run; one that goes on has its own. */
  readonly seed: number;
  readonly only: StopPoint | null;
}

/**
 * A Bora that is killed again and again while it works, and everything that it must not have done meanwhile. Goes on where an earlier
 * run on the same folder ended.
 */
export class TortureRun implements AsyncDisposable {
  readonly books: TortureBooks;
  readonly #settings: TortureSettings;
  readonly #simulator: Simulator;
  readonly #audit: Audit;

  private constructor(settings: TortureSettings, books: TortureBooks, simulator: Simulator) {
    this.books = books;
    this.#settings = settings;
    this.#simulator = simulator;
    this.#audit = new Audit(join(settings.folder, 'data'), simulator);
  }

  static async open(settings: TortureSettings): Promise<TortureRun> {
    mkdirSync(join(settings.folder, 'data'), { recursive: true });
    const books = readBooks(booksFile(settings)) ?? newBooks(settings.seed);
    const simulator = await startSimulator({
      models: MODELS,
      latencyMs: { min: 1, max: 60 },
      // As long as each request allows.
      outputTokens: 100_000,
    });
    return new TortureRun(settings, books, simulator);
  }

  /**
   * Kills until there are enough, then lets everything end and looks at what remains. Returns early if `signal` aborts, with Bora dead
   * and the books written.
   * @throws PromiseBroken with what did not hold
   */
  async run(onKill: (books: TortureBooks) => void, signal: AbortSignal): Promise<void> {
    const { kills, only } = this.#settings;
    while (this.books.kills < kills && !signal.aborted) {
      const random = seededRandom(this.books.seed + this.books.kills);
      const started = performance.now();
      await this.#live(chooseDeath(this.books, random, only), random, signal);
      this.books.seconds += (performance.now() - started) / 1000;
      writeBooks(booksFile(this.#settings), this.books);
      onKill(this.books);
    }
    if (!signal.aborted) await this.#end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#simulator.close();
  }

  async #live(death: Death, random: () => number, signal: AbortSignal): Promise<void> {
    await this.#simulator.configure({ models: random() < 0.5 ? [...MODELS, SLEEPER] : MODELS });
    const before = this.#audit.received(this.books);
    rmSync(this.#trace, { force: true });
    await using life = await Life.start(this.#plan(death), death.isEarly ? death.afterMs : null);
    const stop = (): void => life.kill();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    await this.#workToDeath(life, death, random);
    signal.removeEventListener('abort', stop);
    if (!life.wasKilled && !signal.aborted) throw new PromiseBroken('Bora ended by itself.');
    this.#bookKill(death, signal.aborted);
    await this.#look(before);
  }

  async #workToDeath(life: Life, death: Death, random: () => number): Promise<void> {
    const { books } = this;
    try {
      await checkStart(life, books);
      books.checkedStarts += 1;
      const timer = death.isEarly ? undefined : setTimeout(() => life.kill(), death.afterMs);
      void life.died().then(() => clearTimeout(timer));
      const parts = { life, books, simulator: this.#simulator, random, wish: death.wish };
      await new Workload(parts).untilDeath();
    } catch (error) {
      if (!(error instanceof LifeEnded)) throw error;
    }
    await life.died();
  }

  #bookKill(death: Death, isInterrupted: boolean): void {
    if (isInterrupted) return;
    const { books } = this;
    books.kills += 1;
    const last = lastPointIn(this.#trace) ?? 'start';
    const isHit = death.point === last;
    const counts = isHit ? books.aimed : books.fallen;
    counts[last] = (counts[last] ?? 0) + 1;
    books.lastFound = this.#isBegun ? this.#audit.found() : [];
    for (const found of books.lastFound) books.found[found] = (books.found[found] ?? 0) + 1;
  }

  async #look(before: ReturnType<Audit['received']>): Promise<void> {
    if (!this.#isBegun) return;
    const violations = await this.#audit.run(this.books, before);
    if (violations.length > 0) throw new PromiseBroken(violations.join('\n'));
  }

  /** Everything ends, and when its hour is over nothing is left but what is named. */
  async #end(): Promise<void> {
    await this.#simulator.configure({ models: [...MODELS, SLEEPER] });
    const before = this.#audit.received(this.books);
    await this.#untroubled(async (life) => {
      await checkStart(life, this.books);
      const parts = { life, books: this.books, simulator: this.#simulator, random: () => 0, wish: null };
      await new Workload(parts).untilDone();
      await checkStart(life, this.books);
    });
    await this.#look(before);
    // Collection begins with the start: the first deletes the bytes, the second forgets the names.
    for (let round = 0; round < 2; round++) {
      this.books.clockAheadMs += 2 * HOUR_MS;
      const now = Date.now() + this.books.clockAheadMs;
      await this.#untroubled(async (life) => {
        await checkStart(life, this.books);
        while (this.#audit.uncollected(now) > 0) {
          if (life.isDead) throw new LifeEnded();
          await sleep(POLL_MS);
        }
      });
    }
    await this.#look(before);
    const left = this.#audit.unnamedObjects();
    if (left > 0) throw new PromiseBroken(`${left} objects are left that nothing names and nobody deletes.`);
    writeBooks(booksFile(this.#settings), this.books);
  }

  async #untroubled(work: (life: Life) => Promise<void>): Promise<void> {
    const plan = this.#plan({ point: null, hit: 0 });
    await using life = await Life.start(plan, LAST_LIFE_MS);
    try {
      await work(life);
    } catch (error) {
      if (!(error instanceof LifeEnded)) throw error;
      throw new PromiseBroken(
        `Jobs had not ended, or bytes were not collected, ${LAST_LIFE_MS / 1000} s after the last kill.`,
        {
          cause: error,
        },
      );
    }
    life.kill();
    await life.died();
  }

  #plan({ point, hit }: Pick<Death, 'point' | 'hit'>): CrashPlan {
    return {
      data: join(this.#settings.folder, 'data'),
      upstream: this.#simulator.url,
      kill: point === null ? null : { point, hit },
      defect: null,
      clockAheadMs: this.books.clockAheadMs,
      trace: this.#trace,
    };
  }

  /** Before, a kill may have fallen into the very first start, which leaves no database, or one without tables. */
  get #isBegun(): boolean {
    return this.books.checkedStarts > 0;
  }

  get #trace(): string {
    return join(this.#settings.folder, 'trace');
  }
}

function booksFile({ folder }: TortureSettings): string {
  return join(folder, 'books.json');
}
