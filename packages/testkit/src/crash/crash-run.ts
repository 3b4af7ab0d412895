import { BoraClient } from '@bora/client';
import { inspectDataFolder } from '@bora/server/data-folder';
import { startSimulator, type Simulator } from '@bora/simulator/simulator';
import { makeTemporaryFolder, type TemporaryFolder } from '../temporary-folder.ts';
import {
  CHILD_MAX_UNJOURNALED,
  CHILD_WINDOW,
  type CrashPlan,
  type Kill,
  type PlantedDefect,
} from './crash-plan.ts';
import { CrashingBora } from './crashing-bora.ts';
import { readLedger, type LedgerEntry } from './ledger.ts';
import { CHAT_MODELS, sentBody } from './requests.ts';

/** What is done to Bora on the way. */
export interface Harm {
  /** Each in a process of its own, one after the other; the last process lives. */
  readonly kills: readonly Kill[];
  readonly defect: PlantedDefect | null;
}

/**
 * A Bora that is killed where it is said and started again on the same folder; and what must hold of it whenever it lies
 * dead. Violations are collected, not thrown, so that a run shows all of them.
 */
export class CrashRun implements AsyncDisposable {
  readonly violations: string[] = [];
  readonly simulator: Simulator;
  /** Which model each batch asked for; set by the scenario. */
  readonly modelOf = new Map<string, string>();
  /** Batches that were asked to be deleted; set by the scenario. */
  readonly deleted = new Set<string>();
  /** Requests of each batch; set by the scenario. */
  requests = 0;
  /** Looked at after each restart, before anything else. */
  afterRestart: (client: BoraClient) => Promise<void> = () => Promise.resolve();
  kills = 0;
  readonly #killsLeft: Kill[];
  readonly #folder: TemporaryFolder;
  #plan: CrashPlan;
  #bora: CrashingBora | null = null;
  /** By batch, the most that any answer has shown as completed. */
  readonly #seen = new Map<string, number>();
  /** Bodies whose outcome was durable when it died, with how often they had been received. */
  readonly #bought = new Map<string, number>();

  private constructor(simulator: Simulator, folder: TemporaryFolder, harm: Harm) {
    const [kill = null, ...later] = harm.kills;
    this.simulator = simulator;
    this.#folder = folder;
    this.#killsLeft = later;
    this.#plan = {
      kill,
      defect: harm.defect,
      data: folder.path,
      upstream: simulator.url,
      clockAheadMs: 0,
    };
  }

  static async open(harm: Harm): Promise<CrashRun> {
    const simulator = await startSimulator({ models: CHAT_MODELS, latencyMs: 5 });
    const folder = await makeTemporaryFolder();
    return new CrashRun(simulator, folder, harm);
  }

  /**
   * Makes a call until it is answered, across the kill. `call` may therefore run twice, the first time with or without effect.
   */
  async call<Result>(call: (client: BoraClient, attempt: number) => Promise<Result>): Promise<Result> {
    for (let attempt = 0; ; attempt++) {
      const bora = await this.#alive();
      try {
        return await call(new BoraClient({ baseUrl: bora.url ?? '', maxRetries: 0 }), attempt);
      } catch (error) {
        if (!(await this.#diesSoon(bora))) throw error;
      }
    }
  }

  /** Remembers what was shown; it must never fall, across the kill either. */
  saw(batchId: string, completed: number): void {
    const before = this.#seen.get(batchId) ?? 0;
    if (completed < before) {
      this.violations.push(`Progress of ${batchId} fell from ${before} to ${completed}.`);
    }
    this.#seen.set(batchId, Math.max(before, completed));
  }

  async advanceClock(ms: number): Promise<void> {
    const bora = await this.#alive();
    this.#plan = { ...this.#plan, clockAheadMs: this.#plan.clockAheadMs + ms };
    bora.advanceClock(ms);
  }

  /** What was durable when Bora died must not have been sent since. */
  checkBoughtOnce(): void {
    for (const [body, received] of this.#bought) {
      const now = this.simulator.received(body).received;
      if (now > received)
        this.violations.push(`A journaled request was sent again (${received} → ${now} times).`);
    }
  }

  /** Ends the living process too, and looks at what it leaves. */
  async checkRemains(): Promise<void> {
    await this.#bora?.[Symbol.asyncDispose]();
    this.violations.push(...(await damagesOf(this.#plan.data)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bora?.[Symbol.asyncDispose]();
    await this.simulator.close();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #alive(): Promise<CrashingBora> {
    this.#bora ??= await CrashingBora.start(this.#plan);
    while (this.#bora.isDead) {
      await this.#bury(this.#bora);
      const restarted = await CrashingBora.start(this.#plan);
      this.#bora = restarted;
      if (restarted.url === null) continue;
      try {
        await this.afterRestart(new BoraClient({ baseUrl: restarted.url, maxRetries: 0 }));
      } catch (error) {
        if (!(await this.#diesSoon(restarted))) throw error;
      }
    }
    return this.#bora;
  }

  async #bury(dead: CrashingBora): Promise<void> {
    if (!dead.wasKilled || this.#plan.kill === null) throw new Error('Bora ended by itself.');
    this.kills += 1;
    this.#plan = { ...this.#plan, kill: this.#killsLeft.shift() ?? null };
    const ledger = readLedger(this.#plan.data);
    for (const id of this.modelOf.keys()) {
      if (!ledger.some(({ batchId }) => batchId === id) && !this.deleted.has(id))
        this.violations.push(`Batch ${id} was acknowledged and is gone.`);
    }
    for (const entry of ledger) this.#audit(entry);
    this.violations.push(...(await damagesOf(this.#plan.data)));
    if (this.violations.length > 0)
      throw new Error('A promise is broken already; there is nothing to go on with.');
  }

  /** Whether a failed call failed because of the kill. A process that dies closes its sockets a moment before it is gone. */
  async #diesSoon(bora: CrashingBora): Promise<boolean> {
    if (this.#plan.kill === null) return bora.isDead;
    await bora.died();
    return true;
  }

  #audit({ batchId, settled, counted }: LedgerEntry): void {
    if (counted !== settled.size) {
      this.violations.push(`Batch ${batchId} counts ${counted} requests and holds ${settled.size} outcomes.`);
    }
    const seen = this.#seen.get(batchId) ?? 0;
    if (counted < seen) {
      this.violations.push(`Batch ${batchId} showed ${seen} completed requests and remembers ${counted}.`);
    }
    for (const model of CHAT_MODELS) this.#auditModel(model, batchId, settled);
  }

  /** Of the batch that asked for this model: what is settled, and how much was sent without being settled. */
  #auditModel(model: string, batchId: string, settled: ReadonlySet<number>): void {
    if (this.modelOf.get(batchId) !== model) return;
    let inFlight = 0;
    for (let ordinal = 0; ordinal < this.requests; ordinal++) {
      const body = sentBody(ordinal, model);
      const { received } = this.simulator.received(body);
      if (settled.has(ordinal)) this.#bought.set(body, received);
      else if (received > 0) inFlight += 1;
    }
    if (inFlight > CHILD_WINDOW + CHILD_MAX_UNJOURNALED) {
      this.violations.push(
        `${inFlight} requests were in flight, more than the windows and the journal allow.`,
      );
    }
  }
}

/** What `bora doctor --data` finds in a folder on which nobody runs, a sentence each. */
export async function damagesOf(dataFolder: string): Promise<string[]> {
  const { damages } = await inspectDataFolder(dataFolder);
  return damages.map(({ kind, subject, detail }) => `The folder is damaged (${kind}): ${subject}: ${detail}`);
}
