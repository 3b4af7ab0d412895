import type { BatchState, Dialect, InputFaults } from './batch-records.ts';
import type { LineIndexSummary } from './file-records.ts';

/**
 * Plan, finalise and purge are leased work like shards: whoever dies at them, another goes on.
 * A task is done by its own last transaction (`finishPlan`, `finalise`, `purge…` answering `done`), which drops it.
 */
export interface PlanAndFinalise {
  /** The oldest claimable task, leased to the session under a new epoch; null if there is none. */
  claimTask(session: string): Promise<Task | null>;

  /** Gives a task back, to be claimed again not before `delayMs` from now. No-op if the lease is gone. */
  returnTask(lease: TaskLease, delayMs: number): Promise<void>;

  /** What plan needs to know. Null if the batch is no longer `validating` or the lease is gone: drop the work. */
  readPlanInput(lease: TaskLease): Promise<PlanInput | null>;

  /**
   * Inserts shards by (batch, number), ignoring those that exist, and raises `remaining` by the rows really
   * inserted. False if the lease is gone or the batch is no longer `validating`.
   */
  addShards(lease: TaskLease, shards: readonly NewShard[]): Promise<boolean>;

  /**
   * Ends the plan: sets totals and routes, drops the plan's own hold on `remaining`, moves `validating` to `queued`;
   * with nothing remaining (no requests at all) to `finalizing`. False if the lease is gone.
   */
  finishPlan(
    lease: TaskLease,
    plan: { totalRequests: number; routes: readonly string[] | null },
  ): Promise<boolean>;

  /**
   * Ends the batch as `failed` with a sentence (its input cannot be read), and with what is wrong with the input if that is why.
   * Drops the task. False if the lease is gone.
   */
  failBatch(lease: TaskLease, failure: string, faults?: InputFaults): Promise<boolean>;

  /**
   * One transaction: result parts move from shards to new output and error files (none where there are no lines),
   * counts, end state by end reason and timestamps are set by compare-and-set on `finalizing`; the task and the shard rows'
   * claims on bytes end. Nobody ever sees an end state without its files.
   * Answers how the batch ended, null if the lease is gone. Repeating after success changes nothing and answers the same.
   */
  finalise(lease: TaskLease, files: ResultFiles): Promise<BatchEnd | null>;

  /**
   * Removes a page of what a hidden batch or file left: journal, shards, names released for collection. `in-use` while
   * the object must stay (a file read by a running batch, a batch still draining).
   */
  purge(lease: TaskLease, limit: number): Promise<'more' | 'done' | 'in-use' | 'lost'>;
}

export interface TaskLease {
  readonly taskId: number;
  readonly epoch: number;
  readonly session: string;
}

export interface Task extends TaskLease {
  readonly kind: 'plan' | 'finalise' | 'purge-batch' | 'purge-file';
  /** Batch or file id. */
  readonly subjectId: string;
  /** How often it was claimed before. */
  readonly attempts: number;
}

export interface PlanInput {
  readonly batchId: string;
  readonly dialect: Dialect;
  readonly isLenient: boolean;
  readonly endpoint: string;
  readonly model: string | null;
  /** As given at creation. */
  readonly routes: readonly string[] | null;
  readonly inputs: readonly {
    readonly fileId: string;
    readonly bytes: number;
    /** Null for a file uploaded without a line index. */
    readonly lineIndex: LineIndexSummary | null;
  }[];
  /**
   * The last shard an earlier attempt inserted, by which plan goes on exactly behind it, even if a newer version would cut
   * differently; null at first.
   */
  readonly lastShard: NewShard | null;
}

/** A contiguous range of requests of one input file. */
export interface NewShard {
  /** From 0, in input order. */
  readonly number: number;
  readonly firstOrdinal: number;
  /** Requests. */
  readonly count: number;
  /** Index into the batch's input files. */
  readonly input: number;
  /** Byte range in that file. */
  readonly start: number;
  readonly length: number;
  /** Physical, 1-based line at `start`. */
  readonly firstLine: number;
}

export interface BatchEnd {
  readonly state: BatchState;
  readonly succeeded: number;
  readonly failed: number;
}

/** Ids and names that finalise gives to the files it makes; chosen before, so that a repeat makes the same files. */
export interface ResultFiles {
  readonly outputFileId: string;
  readonly errorFileId: string;
  readonly outputFilename: string;
  readonly errorFilename: string;
}
