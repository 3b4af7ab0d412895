import type { AccessRecords } from './access-records.ts';
import type { AuditRecords } from './audit-records.ts';
import type { Attempts } from './attempts.ts';
import type { BatchRecords } from './batch-records.ts';
import type { BlobNames } from './blob-names.ts';
import type { FileRecords } from './file-records.ts';
import type { Journal } from './journal.ts';
import type { PlanAndFinalise } from './plan-and-finalise.ts';
import type { ResultPages } from './result-pages.ts';
import type { Sessions } from './sessions.ts';
import type { ShardQueue } from './shard-queue.ts';
import type { UndeliveredAnswers } from './undelivered-answers.ts';
import type { UpstreamPauses } from './upstream-pauses.ts';
import type { UploadRecords } from './upload-records.ts';
import type { Uptime } from './uptime.ts';
import type { WebhookEvents } from './webhook-events.ts';
import type { WorkspaceRecords } from './workspace-records.ts';

/**
 * Everything that Bora must not forget, except bytes. The rules that hold for each method of each part:
 *
 * - A method is one transaction. It resolves after the commit is durable (survives power loss), or rejects.
 * - A rejection other than `DatabaseRefused` says nothing about whether the transaction happened. Therefore
 *   each method may be repeated with the same arguments: the second call finds the work done and says so.
 * - The check is the write: a lease, an epoch or a state is tested in the `WHERE` of the statement that
 *   changes the row, never by a read before it.
 * - Times are the database's; no method takes one but for filters. They are milliseconds since the epoch.
 * - Methods may be called at once from many places; transactions are serial as far as results can tell.
 */
export interface Database
  extends
    FileRecords,
    UploadRecords,
    BatchRecords,
    PlanAndFinalise,
    ShardQueue,
    Journal,
    ResultPages,
    Attempts,
    BlobNames,
    Sessions,
    AccessRecords,
    WorkspaceRecords,
    AuditRecords,
    Uptime,
    UndeliveredAnswers,
    UpstreamPauses,
    WebhookEvents,
    AsyncDisposable {
  /**
   * Calls back after a commit that may interest others. A hint, never the truth: it may be lost or come
   * twice, and whoever listens polls as well. The returned function ends it.
   */
  onHint(listener: (hint: Hint) => void): () => void;

  /**
   * Aborts, with the reason, when the database is gone for good while it is open: no call will ever succeed again. What was
   * answered is durable. Nothing is to be saved here; the process is to end, and to be started again.
   */
  readonly lost: AbortSignal;

  /** Resolves if a trivial transaction commits; the readiness probe. */
  ping(): Promise<void>;
}

export type Hint =
  /** A task or a shard may be there to claim. */
  | { readonly kind: 'work' }
  /** A webhook event may be there to claim. */
  | { readonly kind: 'webhook-event' }
  /** A batch was cancelled, expired or deleted: open shards of it must stop. */
  | { readonly kind: 'batch-stopped'; readonly batchId: string };

/** The database refused before it changed anything (schema too new, folder held by another process, ...). */
export class DatabaseRefused extends Error {
  override readonly name = 'DatabaseRefused';
  /** Permanent code, listed in docs/errors.md. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
