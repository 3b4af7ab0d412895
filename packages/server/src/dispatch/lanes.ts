import type { OpenShard } from './open-shard.ts';
import { isSuspect, type Request } from './request.ts';

/** Its multiples, but for their whole part, fall evenly over 0 to 1 however many there are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;

/**
 * Requests that wait to be sent, by route. A lane is first in, first out, so shards go in the order they were claimed;
 * a request that is tried again goes to the front when its time has come, so that a shard is not held open by it. Suspects
 * (`isSuspect`) wait apart, each behind the others, so that none is tried again and again before the rest.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** Suspects of all lanes that could go now. */
  suspects = 0;
  /** Bytes of request bodies in all lanes, delayed ones included. */
  bytes = 0;
  #takenAnywhere = 0;

  /** Of a lone shard that has one request waiting or in flight, the others wait behind it until `next`. */
  add(request: Request): void {
    const { shard } = request;
    if (shard.isLone && shard.waiting + shard.inFlight > 0) shard.later.push(request);
    else this.#push(request);
    this.#count(request, 1);
  }

  /** The request of a lone shard that was under way has ended. */
  next(shard: OpenShard): void {
    const request = shard.later.shift();
    if (request !== undefined) this.#push(request);
  }

  /** Of a lone shard whose request waits for none of these routes, lets the first one go that does; false if none does. */
  letOtherGo(shard: OpenShard, routes: readonly string[]): boolean {
    const at = shard.later.findIndex(({ route }) => routes.includes(route));
    if (at === -1) return false;
    const isOther = (request: Request): boolean => request.shard !== shard || routes.includes(request.route);
    const held = [...this.#lanes.values()].flatMap(({ ready }) => ready.keep(isOther));
    if (held.length === 0) return false;
    const [other] = shard.later.splice(at, 1);
    shard.later.unshift(...held);
    this.#push(other);
    return true;
  }

  endLone(shard: OpenShard): void {
    shard.isLone = false;
    for (const request of shard.later.splice(0)) this.#push(request);
  }

  /** Puts a request aside until `resume` is called with it. It still counts as waiting in its lane. */
  delay(request: Request): void {
    this.#lane(request.route).delayed.add(request);
    this.#count(request, 1);
  }

  /** Puts a delayed request at the front. False if its shard was dropped meanwhile. */
  resume(request: Request): boolean {
    const lane = this.#lanes.get(request.route);
    if (!lane?.delayed.delete(request)) return false;
    if (isSuspect(request)) this.#push(request);
    else lane.ready.unshift(request);
    return true;
  }

  /** The suspect whose turn it is, or null. It stays until `takeSuspect`. */
  suspect(route: string): Request | null {
    return this.#lanes.get(route)?.suspects[0] ?? null;
  }

  takeSuspect(request: Request): void {
    this.#lanes.get(request.route)?.suspects.shift();
    this.suspects -= 1;
    this.#count(request, -1);
  }

  /** The request that crashed the upstream is found; of the others, those that only crashes made suspect go on with the rest. */
  clearOfCrashes(route: string): void {
    const lane = this.#lane(route);
    this.suspects -= lane.suspects.length;
    for (const request of lane.suspects.splice(0)) {
      request.crashes = 0;
      this.#push(request);
    }
  }

  /** The next request of a route, or null. */
  take(route: string): Request | null {
    const request = this.#lanes.get(route)?.ready.shift();
    if (request === undefined) return null;
    this.#count(request, -1);
    return request;
  }

  /**
   * A ready request of a route from anywhere in its lane, each time from elsewhere, or null. Were it always the next, a few requests
   * that are refused for what they ask would stand for all behind them at every trial, and keep a working model paused for ever.
   */
  takeAnywhere(route: string): Request | null {
    const lane = this.#lanes.get(route);
    const request = lane?.ready.takeAt(
      Math.floor(((this.#takenAnywhere++ * GOLDEN_RATIO) % 1) * lane.ready.length),
    );
    if (request === undefined) return null;
    this.#count(request, -1);
    return request;
  }

  /** Removes what waits of a shard, and lanes that are empty then: names of models are the users', and may be any number. */
  drop(shard: OpenShard): void {
    for (const request of shard.later.splice(0)) this.#count(request, -1);
    for (const [route, lane] of this.#lanes) {
      const dropped = [...lane.ready.keep((request) => request.shard !== shard)];
      this.suspects -= lane.suspects.length;
      dropped.push(...lane.suspects.filter((request) => request.shard === shard));
      lane.suspects = lane.suspects.filter((request) => request.shard !== shard);
      this.suspects += lane.suspects.length;
      for (const request of lane.delayed) {
        if (request.shard !== shard) continue;
        lane.delayed.delete(request);
        dropped.push(request);
      }
      for (const request of dropped) this.#count(request, -1);
      if (this.waiting(route) === 0) this.#lanes.delete(route);
    }
  }

  /** Few, and iterated without a copy at each answer. */
  routes(): Iterable<string> {
    return this.#lanes.keys();
  }

  isReady(route: string): boolean {
    return (this.#lanes.get(route)?.ready.length ?? 0) > 0;
  }

  /** Bytes of the next request's body; 0 if none is ready. */
  nextBytes(route: string): number {
    return this.#lanes.get(route)?.ready.next?.body.length ?? 0;
  }

  /** Routes that anything of this shard waits for. */
  routesOf(shard: OpenShard): string[] {
    const isOf = (request: Request): boolean => request.shard === shard;
    const routes = [...this.#lanes].flatMap(([route, lane]) =>
      lane.ready.some(isOf) || [...lane.delayed, ...lane.suspects].some(isOf) ? [route] : [],
    );
    return [...new Set([...routes, ...shard.later.map(({ route }) => route)])];
  }

  /** Ready, delayed and suspect requests of a route. */
  waiting(route: string): number {
    const lane = this.#lanes.get(route);
    return lane === undefined ? 0 : lane.ready.length + lane.delayed.size + lane.suspects.length;
  }

  /** The same of all routes. */
  waitingInAll(): number {
    return [...this.#lanes.keys()].reduce((sum, route) => sum + this.waiting(route), 0);
  }

  #push(request: Request): void {
    const lane = this.#lane(request.route);
    if (!isSuspect(request)) {
      lane.ready.push(request);
      return;
    }
    lane.suspects.push(request);
    this.suspects += 1;
  }

  #lane(route: string): Lane {
    let lane = this.#lanes.get(route);
    if (lane === undefined) {
      lane = { ready: new RequestQueue(), delayed: new Set(), suspects: [] };
      this.#lanes.set(route, lane);
    }
    return lane;
  }

  #count(request: Request, by: 1 | -1): void {
    request.shard.waiting += by;
    this.bytes += by * request.body.length;
  }
}

interface Lane {
  readonly ready: RequestQueue;
  readonly delayed: Set<Request>;
  suspects: Request[];
}

/** A queue whose `shift` does not move the rest: with thousands waiting, Array's would cost more than an attempt. */
class RequestQueue {
  #items: Request[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get next(): Request | undefined {
    return this.#items[this.#first];
  }

  push(request: Request): void {
    this.#items.push(request);
  }

  unshift(request: Request): void {
    if (this.#first > 0) this.#items[--this.#first] = request;
    else this.#items.unshift(request);
  }

  shift(): Request | undefined {
    if (this.length === 0) return undefined;
    const request = this.#items[this.#first++];
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return request;
  }

  takeAt(place: number): Request | undefined {
    return this.#items.splice(this.#first + place, 1)[0];
  }

  some(test: (request: Request) => boolean): boolean {
    return this.#items.some((request, place) => place >= this.#first && test(request));
  }

  /** Keeps what passes the test and answers the rest. */
  keep(test: (request: Request) => boolean): Request[] {
    const all = this.#items.slice(this.#first);
    this.#items = all.filter(test);
    this.#first = 0;
    return all.filter((request) => !test(request));
  }
}
