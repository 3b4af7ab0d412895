import { SUSPECT_CRASHES } from '../upstreams/fault-table.ts';
import type { OpenShard } from './open-shard.ts';

/** One request of an open shard that has no outcome yet. */
export interface Request {
  readonly shard: OpenShard;
  readonly ordinal: number;
  /** The JSON string as it stands in the line, or null. */
  readonly customId: Uint8Array | null;
  /** The line's body, as uploaded; spliced when sent. */
  readonly body: Uint8Array;
  /** What it waits for: see `routeOf`. */
  readonly route: string;
  /** Attempts that failed by the request's own fault. */
  faults: number;
  /** Crashes of upstreams that it was in flight in. */
  crashes: number;
  /** Deaths of workers while it was the one request of its shard that was sent. */
  readonly deaths: number;
}

/** One death more, with nothing else in flight in the worker, and it is poison. */
const SUSPECT_DEATHS = 2;
export const POISON_DEATHS = 3;
/** A shard whose holders died so often sends one request at a time, and says before which. */
export const WATCHED_DEATHS = 2;

/** It may be why an upstream crashed, or a worker died: nothing else may be in flight with it there. */
export function isSuspect({ crashes, deaths }: Request): boolean {
  return crashes >= SUSPECT_CRASHES || deaths >= SUSPECT_DEATHS;
}

export function isSuspectedOfDeaths({ deaths }: Request): boolean {
  return deaths >= SUSPECT_DEATHS;
}
