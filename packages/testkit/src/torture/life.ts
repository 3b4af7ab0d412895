import type { BoraClient } from '@bora/client';
import { BoraError } from '@bora/client/bora-error';
import type { CrashPlan } from '../crash/crash-plan.ts';
import { CrashingBora } from '../crash/crashing-bora.ts';

/** The process is dead; whatever was being called has or has not happened. */
export class LifeEnded extends Error {
  override readonly name = 'LifeEnded';
}

/** A promise of Bora's that did not hold. */
export class PromiseBroken extends Error {
  override readonly name = 'PromiseBroken';
}

/** A process that dies closes its connections a moment before it is gone. */
const DEATH_MS = 10_000;

/** One process of Bora, from its start to its death. */
export class Life implements AsyncDisposable {
  readonly #bora: CrashingBora;
  readonly #kill: AbortController;

  private constructor(bora: CrashingBora, kill: AbortController) {
    this.#bora = bora;
    this.#kill = kill;
  }

  /** `killAfterMs` counts from the spawn; null: it is not killed by the time. */
  static async start(plan: CrashPlan, killAfterMs: number | null): Promise<Life> {
    const kill = new AbortController();
    const timer = killAfterMs === null ? undefined : setTimeout(() => kill.abort(), killAfterMs);
    const bora = await CrashingBora.start(plan, kill.signal);
    void bora.died().then(() => clearTimeout(timer));
    return new Life(bora, kill);
  }

  get isDead(): boolean {
    return this.#bora.isDead;
  }

  /** Whether it died of SIGKILL, as it should. */
  get wasKilled(): boolean {
    return this.#bora.wasKilled;
  }

  kill(): void {
    this.#kill.abort();
  }

  died(): Promise<void> {
    return this.#bora.died();
  }

  advanceClock(ms: number): void {
    this.#bora.advanceClock(ms);
  }

  /**
   * @throws LifeEnded if it dies meanwhile, or is dead
   * @throws PromiseBroken if it lives on and gave no answer
   * @throws BoraError for a refusal
   */
  async call<Result>(call: (client: BoraClient) => Promise<Result>): Promise<Result> {
    if (this.isDead || this.#bora.url === null) throw new LifeEnded();
    try {
      return await call(this.#bora.client);
    } catch (error) {
      if (error instanceof PromiseBroken || (error instanceof BoraError && error.status !== null))
        throw error;
      if (await this.#diesSoon()) throw new LifeEnded();
      throw new PromiseBroken(`A call was not answered by a Bora that lives: ${String(error)}`, {
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bora[Symbol.asyncDispose]();
  }

  async #diesSoon(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<false>();
    const timer = setTimeout(() => resolve(false), DEATH_MS);
    const isDead = await Promise.race([this.died().then(() => true), promise]);
    clearTimeout(timer);
    return isDead;
  }
}
