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
}
