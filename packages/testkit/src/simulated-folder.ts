import type { Unsynced } from './simulated-file.ts';
import { SimulatedFile } from './simulated-file.ts';

/** A name's new meaning; null: the name is gone. */
type NameChange = readonly [name: string, entry: SimulatedFile | SimulatedFolder | null];

/** The names of a folder: as processes see them, as the platter holds them, and the changes between the two. */
export class SimulatedFolder {
  #visible = new Map<string, SimulatedFile | SimulatedFolder>();
  #durable = new Map<string, SimulatedFile | SimulatedFolder>();
  /** Each element reaches the platter whole or not at all, as a rename within a folder does. */
  #unsynced: (readonly NameChange[])[] = [];

  find(name: string): SimulatedFile | SimulatedFolder | undefined {
    return this.#visible.get(name);
  }

  names(): string[] {
    return [...this.#visible.keys()];
  }

  /** Bytes of all files below. */
  size(): number {
    return this.#visible.values().reduce((sum, entry) => sum + entry.size(), 0);
  }

  change(changes: readonly NameChange[]): void {
    apply(this.#visible, changes);
    this.#unsynced.push(changes);
  }

  sync(): void {
    for (const changes of this.#unsynced) apply(this.#durable, changes);
    this.#unsynced = [];
  }

  /** After a failed sync nothing is known: here, the changes never reach the platter, whatever later syncs say. */
  failSync(): void {
    this.#unsynced = [];
  }

  crash(names: Unsynced, bytes: Unsynced, random: () => number): void {
    for (const changes of this.#unsynced) {
      if (names === 'kept' || (names === 'torn' && random() < 0.5)) apply(this.#durable, changes);
    }
    this.#unsynced = [];
    this.#visible = new Map(this.#durable);
    for (const entry of this.#visible.values()) {
      if (entry instanceof SimulatedFile) entry.crash(bytes, random);
      else entry.crash(names, bytes, random);
    }
  }
}

function apply(names: Map<string, SimulatedFile | SimulatedFolder>, changes: readonly NameChange[]): void {
  for (const [name, entry] of changes) {
    if (entry === null) names.delete(name);
    else names.set(name, entry);
  }
}
