import type { Database as Sqlite, Statement } from 'better-sqlite3';
import type { AccessRecords } from '../ports/access-records.ts';
import type { Attempts } from '../ports/attempts.ts';
import type { AuditRecords } from '../ports/audit-records.ts';
import type { BatchRecords } from '../ports/batch-records.ts';
import type { BlobNames } from '../ports/blob-names.ts';
import type { Hint } from '../ports/database.ts';
import type { FileRecords } from '../ports/file-records.ts';
import type { PlanAndFinalise } from '../ports/plan-and-finalise.ts';
import type { ResultPages } from '../ports/result-pages.ts';
import type { Sessions } from '../ports/sessions.ts';
import type { ShardQueue } from '../ports/shard-queue.ts';
import type { UndeliveredAnswers } from '../ports/undelivered-answers.ts';
import type { UpstreamPauses } from '../ports/upstream-pauses.ts';
import type { UploadRecords } from '../ports/upload-records.ts';
import type { Uptime } from '../ports/uptime.ts';
import type { WebhookEvents } from '../ports/webhook-events.ts';
import type { WorkspaceRecords } from '../ports/workspace-records.ts';
import type { JournalStore } from './journal-store.ts';
import type { Synchronous } from './synchronous.ts';

/** What the stores share inside the database thread. Each method of a store runs inside one transaction. */
export interface StoreContext {
  readonly db: Sqlite;
  /** This opening of the database; sessions of any other boot are dead. */
  readonly boot: string;
  /** False beside a running server, whose sessions are not ours to bury. */
  readonly holdsFolder: boolean;
  /** The time of the current transaction. */
  now(): number;
  /** Told to others after the commit. */
  hint(hint: Hint): void;
  /** Prepared once per SQL text. */
  sql(text: string): Statement;
  /** Called between the journal rows' writes and the commit; for the crash harness. */
  inJournalTransaction(): void;
}

/** Everything that the thread does for its callers. */
export interface StoreMethods
  extends
    Synchronous<FileRecords>,
    Synchronous<UploadRecords>,
    Synchronous<BatchRecords>,
    Synchronous<PlanAndFinalise>,
    Synchronous<ShardQueue>,
    JournalStore,
    Synchronous<ResultPages>,
    Synchronous<Attempts>,
    Synchronous<BlobNames>,
    Synchronous<Sessions>,
    Synchronous<AccessRecords>,
    Synchronous<WorkspaceRecords>,
    Synchronous<AuditRecords>,
    Synchronous<Uptime>,
    Synchronous<UndeliveredAnswers>,
    Synchronous<UpstreamPauses>,
    Synchronous<WebhookEvents> {
  ping(): void;
}

/** Replaces methods, so that tests can plant a defect; in production nothing is replaced. */
export type StoreVariant = (context: StoreContext, methods: StoreMethods) => Partial<StoreMethods>;

/** Runs a query for one row or all, typed by the caller: columns are known by the SQL beside it. */
export function first<Row>(context: StoreContext, text: string, ...values: unknown[]): Row | undefined {
  return context.sql(text).get(...values) as Row | undefined;
}

export function all<Row>(context: StoreContext, text: string, ...values: unknown[]): Row[] {
  return context.sql(text).all(...values) as Row[];
}

/** Runs a statement; answers how many rows changed. */
export function run(context: StoreContext, text: string, ...values: unknown[]): number {
  return context.sql(text).run(...values).changes;
}
