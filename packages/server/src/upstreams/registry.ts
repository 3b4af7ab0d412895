import { CallsAhead } from './calls-ahead.ts';
import type { FindUpstreams } from './local-servers.ts';
import { Upstream } from './upstream.ts';
import type { UpstreamDependencies } from './upstream.ts';
import { UpstreamSlot } from './upstream-slot.ts';
import type { ServedModel } from './served-model.ts';
import type {
  ForwardSlot,
  PauseByHand,
  Slot,
  UpstreamConfig,
  Upstreams,
  UpstreamStatus,
} from './upstreams.ts';

const START_MS = 3_000;
/** How often it is looked for upstreams while there is none. */
const SEARCH_MS = 15_000;

export interface RegistryOptions extends UpstreamDependencies {
  readonly upstreams: readonly UpstreamConfig[];
  /** Asked at the start, and again until it finds some, if `upstreams` is empty. Null: nobody is looked for. */
  readonly find?: FindUpstreams | null;
  /** Endpoints that Bora serves, for example `/v1/chat/completions`: with the models they make the routes. */
  readonly endpoints: readonly string[];
}

/** All upstreams, and which of them a request goes to. Nothing is asked of them before `start`. */
export class UpstreamRegistry implements Upstreams {
  readonly #options: RegistryOptions;
  readonly #upstreams: Upstream[];
  readonly #pauses = new Map<string, PauseByHand>();
  readonly #listeners = new Set<() => void>();
  /** Routes are asked for far more often than they change. */
  #routes: readonly string[] | 'any' | null = null;
  /** Requests in a row want the same route: taken apart anew, its parts would be strings to be hashed for each. */
  #latest = { route: '', endpoint: '', model: '' };
  readonly #ahead = new CallsAhead(
    (route, bodyBytes) => this.#acquire(route, bodyBytes),
    (route) => this.whyWaiting(route),
  );
  readonly #notify = (): void => {
    this.#ahead.serve();
    for (const listener of this.#listeners) listener();
  };
  readonly #onChange = (): void => {
    this.#routes = null;
    this.#notify();
  };
  #cancelSearch: () => void = () => {};
  #closed = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#upstreams = options.upstreams.map((config) => new Upstream(config, options, this.#onChange));
  }

  async start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const find = this.#upstreams.length === 0 ? this.#options.find : null;
    const listed = find == null ? this.#checkAll() : this.#search(find);
    const timeUp = new AbortController();
    const limit = AbortSignal.any([timeUp.signal, ...(signal === undefined ? [] : [signal])]);
    try {
      await Promise.race([listed, this.#options.clock.sleep(START_MS, limit)]);
    } finally {
      timeUp.abort();
    }
  }

  routes(): readonly string[] | 'any' {
    this.#routes ??= this.#servableRoutes();
    return this.#routes;
  }

  endpoints(): readonly string[] {
    if (this.#upstreams.length === 0) return this.#options.endpoints;
    return this.#options.endpoints.filter((endpoint) => this.#meantFor(endpoint).length > 0);
  }

  models(endpoint: string): ReturnType<Upstreams['models']> {
    const upstreams = this.#meantFor(endpoint);
    const reachable = upstreams.some((upstream) => upstream.reachable);
    const lists = upstreams.map((upstream) => upstream.serves ?? []);
    const unheard = upstreams.filter(({ serves }) => serves === null).map(({ url }) => url);
    return { reachable, models: lists.includes('any') ? 'any' : [...new Set(lists.flat())], unheard };
  }

  whyWaiting(route: string): string | null {
    const { endpoint, model } = partsOf(route);
    const reasons: string[] = [];
    for (const upstream of this.#meantFor(endpoint)) {
      const why = upstream.whyWaiting(endpoint, model);
      if (why !== null) reasons.push(why);
      else if (upstream.servedModel(model) !== null) return null;
    }
    if (reasons.length > 0) return reasons.join(' ');
    if (this.#upstreams.length === 0) {
      return this.#options.find == null
        ? 'No upstream is configured; set BORA_UPSTREAM.'
        : 'No upstream is configured, and none answers on the usual ports of this machine; start one, or set BORA_UPSTREAM.';
    }
    if (!this.endpoints().includes(endpoint)) return `No upstream is meant to serve ${endpoint}.`;
    const known = this.models(endpoint).models;
    return `No upstream serves the model ${model}; they serve ${known.length === 0 ? 'none' : [known].flat().join(', ')}.`;
  }

  tryAcquire(route: string, bodyBytes = 0): Slot | null {
    return this.#acquire(route, bodyBytes);
  }

  acquireAhead(route: string, bodyBytes: number, signal: AbortSignal): Promise<ForwardSlot> {
    return this.#ahead.wait(route, bodyBytes, signal);
  }

  tryAcquireAlone(route: string, bodyBytes: number, onTrial: boolean): Slot | null {
    const { endpoint, model } = partsOf(route);
    let idlest: { upstream: Upstream; served: ServedModel } | null = null;
    for (const upstream of this.#upstreams) {
      if (!upstream.endpoints.has(endpoint)) continue;
      const served = upstream.servedModel(model);
      if (served === null || !upstream.admitsAlone(served, bodyBytes, onTrial)) continue;
      if (idlest === null || upstream.inFlight < idlest.upstream.inFlight) idlest = { upstream, served };
    }
    if (idlest === null) return null;
    const { upstream, served } = idlest;
    if (upstream.inFlight === 0)
      return new UpstreamSlot(upstream, served, { asked: model, bodyBytes, alone: true }, this.#notify);
    upstream.keepFree();
    return null;
  }

  capacity(): number {
    let capacity = 0;
    for (const upstream of this.#upstreams) if (upstream.health.servable) capacity += upstream.capacity();
    return capacity;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  status(): readonly UpstreamStatus[] {
    return this.#upstreams.map((upstream) => upstream.status());
  }

  resume(name: string): void {
    this.#pauses.delete(name);
    this.#upstreams.find((upstream) => upstream.name === name)?.resume();
  }

  pause(pause: PauseByHand): void {
    this.#pauses.set(pause.upstream, pause);
    this.#upstreams.find(({ name }) => name === pause.upstream)?.pause(pause);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancelSearch();
    this.#listeners.clear();
    await Promise.all(this.#upstreams.map((upstream) => upstream[Symbol.asyncDispose]()));
  }

  #acquire(route: string, bodyBytes: number): UpstreamSlot | null {
    if (this.#latest.route !== route) this.#latest = { route, ...partsOf(route) };
    const { endpoint, model } = this.#latest;
    let best: { upstream: Upstream; served: ServedModel } | null = null;
    let bestShare = 0;
    for (const upstream of this.#upstreams) {
      if (!upstream.endpoints.has(endpoint)) continue;
      const served = upstream.servedModel(model);
      if (served === null) continue;
      const share = upstream.freeShare(served, bodyBytes);
      if (share <= bestShare) continue;
      best = { upstream, served };
      bestShare = share;
    }
    return best === null
      ? null
      : new UpstreamSlot(best.upstream, best.served, { asked: model, bodyBytes }, this.#notify);
  }

  async #checkAll(): Promise<void> {
    await Promise.all(this.#upstreams.map((upstream) => upstream.check()));
  }

  /** Looks until it finds some. From then on those are the upstreams, as if they had been configured. */
  async #search(find: FindUpstreams): Promise<void> {
    const found = await find();
    if (this.#closed) return;
    if (found.length === 0) {
      this.#cancelSearch = this.#options.clock.after(SEARCH_MS, () => void this.#search(find));
      return;
    }
    for (const config of found) {
      const upstream = new Upstream(config, this.#options, this.#onChange);
      const pause = this.#pauses.get(config.name);
      if (pause !== undefined) upstream.pause(pause);
      this.#upstreams.push(upstream);
      this.#options.log.info(
        { upstream: config.name, url: config.url },
        'Found an upstream on this machine.',
      );
    }
    await this.#checkAll();
  }

  #servableRoutes(): readonly string[] | 'any' {
    const routes = new Set<string>();
    for (const upstream of this.#upstreams) {
      const { health, serves, endpoints } = upstream;
      if (!health.servable || serves === null) continue;
      if (serves === 'any') return 'any';
      const models = serves.filter((model) => upstream.servedModel(model)?.health.servable === true);
      for (const endpoint of this.#options.endpoints) {
        if (endpoints.has(endpoint)) for (const model of models) routes.add(`${endpoint} ${model}`);
      }
    }
    return [...routes];
  }

  #meantFor(endpoint: string): readonly Upstream[] {
    return this.#upstreams.filter(({ endpoints }) => endpoints.isConfigured(endpoint));
  }
}

function partsOf(route: string): { endpoint: string; model: string } {
  const space = route.indexOf(' ');
  return { endpoint: route.slice(0, space), model: route.slice(space + 1) };
}
