import { writeFileSync } from 'node:fs';
import { residentBytes } from '../memory.ts';
import { processTree } from '../process-tree.ts';

/** What the memory of a process tree came to in one phase of its work. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** The most that was resident at any moment of the phase, as the kernel remembers it. */
  readonly peakBytes: number;
}

/** Peaks per phase: the kernel's own memory of the peak is read, and told to begin anew, at each change of phase. */
export class PhasedMemory {
  readonly #pid: number;
  readonly #done: (phase: Phase) => void;
  #name = 'start';
  #since = performance.now();

  constructor(pid: number, done: (phase: Phase) => void) {
    this.#pid = pid;
    this.#done = done;
  }

  /** Ends the phase before, and begins one. */
  begin(name: string): void {
    this.end();
    this.#name = name;
    this.#since = performance.now();
  }

  end(): void {
    const peakBytes = residentBytes(this.#pid).peak;
    for (const each of processTree(this.#pid)) writeFileSync(`/proc/${each}/clear_refs`, '5');
    this.#done({ name: this.#name, seconds: (performance.now() - this.#since) / 1000, peakBytes });
  }
}
