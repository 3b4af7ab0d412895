import type { BoraJobExtension } from '@bora/protocol/bora-extensions';
import type { BatchRecord } from '../storage/ports/batch-records.ts';
import { isTerminal, routeOf } from '../storage/ports/batch-records.ts';
import type { ApiDependencies } from './dependencies.ts';
import { seconds } from './files/file-view.ts';

/** Whence it is known why a batch waits. */
export type Reasons = Pick<ApiDependencies, 'upstreams' | 'waits'>;

/** What Bora says of a batch beyond either dialect. */
export function boraFacts(batch: BatchRecord, reasons: Reasons): BoraJobExtension {
  return {
    state: batch.state,
    waiting: waitingReasons(batch, reasons),
    usage: { input_tokens: batch.inputTokens, output_tokens: batch.outputTokens },
    deadline_at: secondsOrNull(batch.deadlineAt),
    cancelling_at: secondsOrNull(batch.cancellingAt),
    finalizing_at: secondsOrNull(batch.finalizingAt),
    failure: batch.failure,
  };
}

/** Models that its requests ask for; null while nobody knows. */
export function modelsOf({ endpoint, model, routes }: BatchRecord): readonly string[] | null {
  if (model !== null) return [model];
  return routes === null ? null : routes.map((route) => route.slice(endpoint.length + 1));
}

/**
 * What the storage keeps waiting, what parked shards wait for, then what would keep the others waiting; each reason once. Of a route it is asked now: the sentence
 * with which a shard was parked tells times that have long passed.
 */
function waitingReasons(batch: BatchRecord, { upstreams, waits }: Reasons): string[] {
  const { state, endpoint, model, parked } = batch;
  if (isTerminal(state)) return [];
  if (state === 'finalizing' || state === 'cancelling' || state === 'expiring') return [...waits.reasons];
  const whyWaiting = (route: string): string | null => upstreams.whyWaiting(route);
  const routes = model === null ? (batch.routes ?? []) : [routeOf(endpoint, model)];
  const reasons = [
    ...waits.reasons,
    ...parked.flatMap(({ routes: awaited, reason }) => awaited?.map(whyWaiting) ?? [reason]),
    ...routes.map(whyWaiting),
  ];
  return [...new Set(reasons.filter((reason) => reason !== null))];
}

export function secondsOrNull(milliseconds: number | null): number | null {
  return milliseconds === null ? null : seconds(milliseconds);
}
