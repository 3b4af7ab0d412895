import type { Actor } from './audit-records.ts';

/** Batches as users see them: create, look, list, cancel, delete; and the clock's part, expiry. */
export interface BatchRecords {
  /**
   * Creates a batch with its plan task. Counts jobs and pending requests against the limits in the same
   * transaction. Once `created`, the batch may be acknowledged. Repeating it with the same id answers the
   * existing batch. Audited.
   */
  createBatch(batch: NewBatch, limits: BatchLimits, by?: Actor): Promise<CreateBatchResult>;

  /**
   * Null if unknown, deleted or in another workspace. Progress (committed + journaled) is read in the same
   * statement as the counts, so it never falls.
   */
  getBatch(workspaceId: string, batchId: string): Promise<BatchRecord | null>;

  /** In order of creation, batches of the same millisecond by id. `total` counts all that match, wherever the page begins. */
  listBatches(workspaceId: string, filter: BatchFilter): Promise<{ batches: BatchRecord[]; total: number }>;

  /**
   * The place of a batch in its workspace's lists. It keeps it for a day after its purge, so that lists go on behind what is deleted
   * meanwhile. Null if there is none.
   */
  findBatchPlace(workspaceId: string, batchId: string): Promise<BatchPlace | null>;

  /**
   * Cancels. A batch that needs no line is `cancelled` at once: one that is not planned, and one of Mistral's dialect of which nothing was
   * claimed yet. Any other becomes `cancelling`, with end reason `cancelled`. One whose end has begun (`expiring`, `finalizing`) or that
   * has ended is left as it is.
   * Answers the batch after the change, or null as `getBatch`. A change is audited.
   */
  cancelBatch(workspaceId: string, batchId: string, by?: Actor): Promise<BatchRecord | null>;

  /**
   * Ends the time of batches whose deadline has passed: `expired` at once where `cancelBatch` would cancel at once; otherwise
   * `expiring` with end reason `expired`. Answers the ids it changed.
   */
  expireBatches(limit: number): Promise<string[]>;

  /** The earliest deadline of a batch that still runs, or null. */
  nextDeadline(): Promise<number | null>;

  /** Hides a batch, cancels it if it still runs, queues its purge. False if there was nothing to hide. Audited. */
  deleteBatch(workspaceId: string, batchId: string, by?: Actor): Promise<boolean>;

  /** Gauges for /metrics and /readyz: batches by state, shards by state, journal rows. */
  countWork(): Promise<WorkCounts>;
}

export const BATCH_STATES = [
  'validating',
  'queued',
  'running',
  'expiring',
  'cancelling',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelled',
] as const;

/**
 * `validating` until planned, `queued` until the first claim, `running`; `expiring` and `cancelling` while drained;
 * `finalizing` once no shard remains; then for good one of the four end states.
 */
export type BatchState = (typeof BATCH_STATES)[number];

/** It never changes again. */
export function isTerminal(state: BatchState): boolean {
  return state === 'completed' || state === 'failed' || state === 'expired' || state === 'cancelled';
}

/** Why a batch ends: set once, by whoever comes first. */
export type EndReason = 'completed' | 'failed' | 'expired' | 'cancelled';

export type Dialect = 'mistral' | 'openai';

export interface NewBatch {
  readonly id: string;
  readonly workspaceId: string;
  readonly dialect: Dialect;
  readonly endpoint: string;
  /** The job's model, which wins over the lines'; null if the lines bring their own. */
  readonly model: string | null;
  readonly agentId: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Milliseconds from creation to deadline; Infinity: it has none. */
  readonly timeoutMs: number;
  /** The words in which it was asked for that time (`24h`), where the dialect has such. Default: null. */
  readonly completionWindow?: string | null;
  /** Bad lines do not fail it: they end as failed, and the others run. Of no account in Mistral's dialect, where it is always so. Default: false. */
  readonly isLenient?: boolean;
  /** Its result files expire so many milliseconds after they were made. Default: null, never. */
  readonly resultsExpireMs?: number | null;
  /** Input files in order; all of the same workspace. */
  readonly inputFileIds: readonly string[];
  /** The member (see `FileReference`) in which its lines name files, each of which must be one that its creator sees. Default: none. */
  readonly fileMember?: string | null;
  /** Made from inline `requests`: results are shown inline by default. */
  readonly inline: boolean;
  /** Requests over all inputs if their indexes tell, else null until planned. */
  readonly totalRequests: number | null;
  /** Routes (see `routeOf`) of its requests, if the indexes tell; null = unknown until opened. */
  readonly routes: readonly string[] | null;
  /** Smaller runs earlier within its workspace. */
  readonly priority: number;
  /** Who made it, as `creatorOf` names them, null without keys. Input files of the visibility `user` must be theirs. */
  readonly createdBy: string | null;
  /** Digest of the create that makes it, by which the same one is known again. Default: null. */
  readonly createdAs?: string | null;
}

/** The key under which work waits for an upstream: what is asked for, of which model. */
export function routeOf(endpoint: string, model: string): string {
  return `${endpoint} ${model}`;
}

export interface BatchLimits {
  /** Requests of the workspace that may be unfinished at once, this batch included; null = no limit. */
  readonly maxPendingRequests: number | null;
  /** Jobs of the workspace that may be unfinished at once, this one included; null = no limit. */
  readonly maxActiveJobs: number | null;
}

export type CreateBatchResult =
  | { readonly kind: 'created'; readonly batch: BatchRecord }
  /** An input file is unknown, deleted, expired, another workspace's or another user's. */
  | { readonly kind: 'missing-file'; readonly fileId: string }
  | MissingNamedFile
  | { readonly kind: 'too-many-pending'; readonly pending: number; readonly limit: number }
  | { readonly kind: 'too-many-active'; readonly active: number; readonly limit: number };

/** A line of an input names a file that is unknown, deleted, expired, another workspace's or another user's. */
export interface MissingNamedFile {
  readonly kind: 'missing-named-file';
  readonly inputFileId: string;
  /** The first such line of the first such input; physical, 1-based. */
  readonly line: number;
  readonly fileId: string;
  /** How many such files that input names. */
  readonly missing: number;
}

export interface BatchRecord {
  readonly id: string;
  readonly workspaceId: string;
  readonly dialect: Dialect;
  readonly endpoint: string;
  readonly model: string | null;
  readonly agentId: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly inputFileIds: readonly string[];
  readonly inline: boolean;
  readonly completionWindow: string | null;
  readonly isLenient: boolean;
  readonly resultsExpireMs: number | null;
  readonly routes: readonly string[] | null;
  readonly priority: number;
  readonly createdBy: string | null;
  /** Null also for batches that an older Bora made. */
  readonly createdAs: string | null;
  readonly state: BatchState;
  readonly endReason: EndReason | null;
  /** Why it `failed`, in a sentence; null otherwise. */
  readonly failure: string | null;
  /** What is wrong with its input, if that is why it `failed`; null otherwise. */
  readonly faults: InputFaults | null;
  /** 0 until known. */
  readonly totalRequests: number;
  /** Committed + journaled. */
  readonly succeeded: number;
  readonly failed: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Of the input tokens those from the upstream's cache, of the output tokens those of reasoning. */
  readonly cachedTokens: number;
  readonly reasoningTokens: number;
  /** Failed requests by message, most frequent first, from committed shards; at most 100. */
  readonly errors: readonly { readonly message: string; readonly count: number }[];
  /** What its parked shards wait for, most frequent first; empty if none is. */
  readonly parked: readonly ParkedShards[];
  readonly outputFileId: string | null;
  readonly errorFileId: string | null;
  readonly createdAt: number;
  /** Null: its time is never up. */
  readonly deadlineAt: number | null;
  /** When it became `queued`; null before, and for batches that an older Bora planned. */
  readonly plannedAt: number | null;
  /** First claim. */
  readonly startedAt: number | null;
  readonly cancellingAt: number | null;
  readonly finalizingAt: number | null;
  /** When it reached its end state. */
  readonly endedAt: number | null;
}

/** What is wrong with the input of a batch. */
export interface InputFaults {
  /** True number. */
  readonly count: number;
  /** The first 100 of them, in the order of lines. */
  readonly first: readonly InputFault[];
}

/** The first thing that is wrong with one line, or with the input as a whole. */
export interface InputFault {
  readonly kind: InputFaultKind;
  /** Physical, 1-based; null: the input as a whole. */
  readonly line: number | null;
  /** The file that the line is of, where the batch has several. */
  readonly fileId?: string;
  /** Where in the line, such as `custom_id` or `body.model`; null: the line as a whole. */
  readonly member: string | null;
  /** What is there and should not be: the model, the id, the kind of value. Null where the kind of fault says it all. */
  readonly found: string | null;
}

/**
 * - `not-utf8`, `not-json`, `not-object`, `too-long`: the line as a whole.
 * - `missing`, `wrong-type`: the member is absent or null, or of a type that it must not have.
 * - `repeated-id`: an earlier line has the same `custom_id`.
 * - `method`: another than POST. `url`: another than the batch's; `unknown-url`: none that a batch may have. `streams`: `stream` is true.
 * - `unknown-model`: nobody serves it. `other-model`: another than the first line's, where lines may not differ.
 * - `empty`: no request. `too-many`: more than a batch may have.
 */
export type InputFaultKind =
  | 'not-utf8'
  | 'not-json'
  | 'not-object'
  | 'too-long'
  | 'missing'
  | 'wrong-type'
  | 'repeated-id'
  | 'method'
  | 'url'
  | 'unknown-url'
  | 'streams'
  | 'unknown-model'
  | 'other-model'
  | 'empty'
  | 'too-many';

export interface ParkedShards {
  /** Any of these; null if they wait for a time. */
  readonly routes: readonly string[] | null;
  /** As it was when one of them was parked. */
  readonly reason: string;
  readonly shards: number;
}

/** Where a batch stands in the order of creation. */
export type BatchPlace = Pick<BatchRecord, 'id' | 'createdAt'>;

export interface BatchFilter {
  /** Zero-based. */
  readonly page: number;
  readonly pageSize: number;
  /** Only what comes behind this batch in the order: a place in it stays the same for life. Default: from the first. */
  readonly after?: BatchPlace;
  readonly order: 'newest-first' | 'oldest-first';
  readonly model?: string;
  readonly agentId?: string;
  /** All pairs must be equal. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Inclusive. */
  readonly createdAfter?: number;
  readonly createdBy?: string;
  /** Any of these; `endReason` narrows a state. */
  readonly statuses?: readonly { readonly state: BatchState; readonly endReason?: EndReason | 'none' }[];
}

export interface WorkCounts {
  readonly batches: Readonly<Partial<Record<BatchState, number>>>;
  readonly shards: Readonly<Partial<Record<'queued' | 'leased' | 'parked', number>>>;
  readonly journalRows: number;
}
