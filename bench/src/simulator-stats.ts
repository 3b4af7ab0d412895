import type { SimulatorStats } from '@bora/simulator/stats';
import { startSimulator, type Started } from './processes.ts';

/** A simulator in a process of its own, and what it counted. */
export class MeasuringSimulator implements AsyncDisposable {
  readonly #started: Started;
  readonly url: string;

  private constructor(started: Started) {
    this.#started = started;
    this.url = (JSON.parse(started.firstLine) as { url: string }).url;
  }

  static async start(slots: number, latencyMs: number): Promise<MeasuringSimulator> {
    const flags = ['--slots', String(slots), '--latency-ms', String(latencyMs), '--forget-bodies'];
    return new MeasuringSimulator(await startSimulator(flags));
  }

  async stats(): Promise<SimulatorStats> {
    const response = await fetch(`${this.url}/simulator/stats`);
    return (await response.json()) as SimulatorStats;
  }

  /** Counts from zero. */
  async reset(): Promise<void> {
    await fetch(`${this.url}/simulator/reset`, { method: 'POST' });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#started[Symbol.asyncDispose]();
  }
}
