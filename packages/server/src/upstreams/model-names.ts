/** What an upstream serves as its operator writes it: names, or names with what the upstream calls them. `*` is any other name. */
export type ConfiguredModels = readonly string[] | Readonly<Record<string, string>>;

const ANY = '*';

/**
 * The names under which jobs may ask for an upstream's models, and what the upstream calls them. A `*` takes every name that is
 * not there: as it is (`*: *`), or as one model (`*: qwen3-8b`).
 */
export class ModelNames {
  /** What jobs may ask for. */
  readonly asked: readonly string[] | 'any';
  readonly #upstreamName: ReadonlyMap<string, string>;

  constructor(models: ConfiguredModels) {
    const pairs: readonly (readonly [string, string])[] = Array.isArray(models)
      ? models.map((name: string) => [name, name])
      : Object.entries(models);
    this.#upstreamName = new Map(pairs);
    this.asked = this.#upstreamName.has(ANY) ? 'any' : [...this.#upstreamName.keys()];
  }

  /** Null if nobody may ask for it here. */
  upstreamNameOf(asked: string): string | null {
    const name = this.#upstreamName.get(asked) ?? this.#upstreamName.get(ANY) ?? null;
    return name === ANY ? asked : name;
  }
}
