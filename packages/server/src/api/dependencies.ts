import type { Authenticator } from '../access/authenticate.ts';
import type { StorageWaits } from '../batches/storage-waits.ts';
import type { IndexThread } from '../files/index-thread.ts';
import type { Gateway } from '../gateway/gateway.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import type { Database } from '../storage/ports/database.ts';
import type { WorkspaceLimits } from '../storage/ports/workspace-records.ts';
import type { Upstreams } from '../upstreams/upstreams.ts';
import type { CallMemory } from './call-memory.ts';
import type { WritingSession } from './writing-session.ts';

/** All that the HTTP edge stands on. */
export interface ApiDependencies {
  readonly version: string;
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly session: WritingSession;
  readonly memory: CallMemory;
  readonly indexer: IndexThread;
  readonly authenticator: Authenticator;
  readonly upstreams: Pick<Upstreams, 'whyWaiting' | 'endpoints' | 'models' | 'status' | 'pause' | 'resume'>;
  readonly gateway: Gateway;
  readonly waits: StorageWaits;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly reachStopPoint: ReachStopPoint;
  readonly settings: ApiSettings;
}

/** What of the configuration the edge needs, with the limits of workspaces that have none of their own; null = no limit. */
export interface ApiSettings extends WorkspaceLimits {
  readonly publicUrl: string | null;
  /** Origins of pages that may call; null: all once keys exist, none before. */
  readonly corsOrigins: 'all' | readonly string[] | null;
  readonly maxLineBytes: number;
  readonly maxCreateBytes: number;
  readonly minFreeBytes: number;
  /** How long a client may neither send what Bora waits for nor take what it is sent. */
  readonly stallSeconds: number;
  readonly maxConnections: number;
  /** A job that asks for less time gets this much; 0 = what it asks for, Infinity = all the time it needs. */
  readonly leastTimeoutMs: number;
  /** Endpoints that a batch of OpenAI's dialect may have. */
  readonly openAiEndpoints: readonly string[];
  /** Bounds of its completion window, as `windowMs` reads them. */
  readonly minCompletionWindow: string;
  readonly maxCompletionWindow: string;
}
