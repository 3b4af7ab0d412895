import fc from 'fast-check';

/** One thing that happens to what a property tries. */
export type Step<World> = (world: World) => Promise<void>;

/** Makes steps that show what they do, and with what, when a run fails. */
export function stepsOf<World>() {
  return <Args>(
    weight: number,
    args: fc.Arbitrary<Args>,
    run: (world: World, args: Args) => Promise<void>,
  ): fc.WeightedArbitrary<Step<World>> => {
    const arbitrary = args.map((given): Step<World> => {
      const step: Step<World> = (world) => run(world, given);
      return Object.assign(step, {
        [fc.toStringMethod]: () => `${String(run)} of ${fc.stringify(given)}`,
      });
    });
    return { weight, arbitrary };
  };
}
