import type { ForwardSlot } from './upstreams.ts';

interface WaitingCall {
  readonly route: string;
  readonly bodyBytes: number;
  resolve(slot: ForwardSlot): void;
  reject(error: Error): void;
}

/** While a call waited, what it waits for went down or away. The message says what. */
export class NotServedNow extends Error {
  override readonly name = 'NotServedNow';
}

/**
 * Calls that somebody waits for, and that go ahead of batch work: each place that comes free is offered to them first, in their order.
 * Invariant: `serve` runs at each change before anybody else may take a place, so that batch work finds only what they left.
 */
export class CallsAhead {
  readonly #take: (route: string, bodyBytes: number) => ForwardSlot | null;
  readonly #whyWaiting: (route: string) => string | null;
  readonly #waiting = new Set<WaitingCall>();

  constructor(
    take: (route: string, bodyBytes: number) => ForwardSlot | null,
    whyWaiting: (route: string) => string | null,
  ) {
    this.#take = take;
    this.#whyWaiting = whyWaiting;
  }

  /** @throws NotServedNow, or the signal's reason. */
  wait(route: string, bodyBytes: number, signal: AbortSignal): Promise<ForwardSlot> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ForwardSlot>();
    const call: WaitingCall = { route, bodyBytes, resolve, reject };
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort);
    this.#waiting.add(call);
    this.serve();
    return promise.finally(() => {
      this.#waiting.delete(call);
      signal.removeEventListener('abort', onAbort);
    });
  }

  /** To be called at each change that may have freed a place, or taken an upstream away. */
  serve(): void {
    for (const call of this.#waiting) {
      const slot = this.#take(call.route, call.bodyBytes);
      const why = slot === null ? this.#whyWaiting(call.route) : null;
      if (slot === null && why === null) continue;
      this.#waiting.delete(call);
      if (slot === null) call.reject(new NotServedNow(why ?? ''));
      else call.resolve(slot);
    }
  }
}
