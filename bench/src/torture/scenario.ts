import type { PhasedMemory } from './phased-memory.ts';

/** What a scenario is given. */
interface Torture {
  /** Empty; removed afterwards. */
  readonly folder: string;
  /** To the last request, where the short way tells as much about memory. */
  readonly isWhole: boolean;
  /** To be called once with the pid of the Bora that is watched. */
  readonly watch: (pid: number) => PhasedMemory;
}

export interface MemoryScenario {
  readonly name: string;
  readonly about: string;
  /** @throws Error if what came out is not what must. */
  run(torture: Torture): Promise<void>;
}
