import type { ReachStopPoint, StopPoint } from '../src/observe/stop-points.ts';

export interface Gate {
  /** Resolves once somebody stands at the point. */
  readonly reached: Promise<void>;
  readonly letGo: () => void;
}

/** Holds whoever comes to a stop point first, so that a test decides what happens meanwhile. */
export class Gates {
  readonly #gates = new Map<StopPoint, { reach: () => void; opened: Promise<void>; passes: number }>();
  readonly #all: Gate[] = [];

  /** The first to come, or the one behind `passes` others. Nobody is held after that one. */
  hold(point: StopPoint, passes = 0): Gate {
    const { promise: reached, resolve: reach } = Promise.withResolvers<void>();
    const { promise: opened, resolve: letGo } = Promise.withResolvers<void>();
    this.#gates.set(point, { reach, opened, passes });
    const gate = { reached, letGo };
    this.#all.push(gate);
    return gate;
  }

  /** Lets everybody go, as at the end of a test that failed in the middle. */
  letAllGo(): void {
    this.#gates.clear();
    for (const { letGo } of this.#all) letGo();
  }

  readonly reachStopPoint: ReachStopPoint = (point) => {
    const gate = this.#gates.get(point);
    if (gate === undefined || gate.passes-- > 0) return;
    this.#gates.delete(point);
    gate.reach();
    return gate.opened;
  };
}
