import assert from 'node:assert/strict';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import type { UpstreamRegistry } from '../src/upstreams/registry.ts';
import type { AttemptRequest, Slot, UpstreamConfig, Verdict } from '../src/upstreams/upstreams.ts';
import { BreakableUpstream, json, registryOf, requestOf, ROUTE } from './breakable-upstream.ts';

/** A registry over one upstream that can break, in simulated time. */
export interface World extends AsyncDisposable {
  readonly upstream: BreakableUpstream;
  readonly upstreams: UpstreamRegistry;
  readonly clock: SimulatedClock;
  state(): string;
  /** Of the model `m`. */
  modelState(): string | undefined;
}

export async function world(
  config: Partial<UpstreamConfig> = {},
  prepare: (upstream: BreakableUpstream) => void = () => {},
): Promise<World> {
  const upstream = await BreakableUpstream.open();
  prepare(upstream);
  const clock = new SimulatedClock();
  const upstreams = registryOf([{ name: 'u', url: upstream.url, ...config }], clock);
  await upstreams.start();
  return {
    upstream,
    upstreams,
    clock,
    state: () => upstreams.status()[0].state,
    modelState: () => upstreams.status()[0].models.find(({ model }) => model === 'm')?.state,
    async [Symbol.asyncDispose]() {
      await upstreams[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

export function models(...ids: string[]): BreakableUpstream['listing'] {
  return json(200, { object: 'list', data: ids.map((id) => ({ id })) });
}

/** Takes every free place. */
export function fill(upstreams: UpstreamRegistry, route = ROUTE): Slot[] {
  const slots: Slot[] = [];
  for (let slot = upstreams.tryAcquire(route); slot !== null; slot = upstreams.tryAcquire(route))
    slots.push(slot);
  return slots;
}

export function line(name: string, counts: { faults?: number; crashes?: number } = {}): AttemptRequest {
  return requestOf(JSON.stringify({ line: name }), counts);
}

export function crashed(verdict: Verdict): boolean {
  assert.ok(verdict.kind === 'retry' && !verdict.countsAgainstLine);
  return verdict.crashed;
}

export function counted(verdict: Verdict): boolean {
  assert.equal(verdict.kind, 'retry');
  return verdict.countsAgainstLine;
}
