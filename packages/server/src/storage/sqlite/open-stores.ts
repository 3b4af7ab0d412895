import SqliteDatabase from 'better-sqlite3';
import type { Hint } from '../ports/database.ts';
import { accessStore } from './access-store.ts';
import { auditStore } from './audit-store.ts';
import { attemptStore } from './attempt-store.ts';
import { batchStore } from './batch-store.ts';
import { blobNameStore } from './blob-name-store.ts';
import { fileStore } from './file-store.ts';
import { journalStore } from './journal-store.ts';
import { migrate } from './migrate.ts';
import { resultStore } from './result-store.ts';
import { sessionStore } from './session-store.ts';
import { shardStore } from './shard-store.ts';
import type { StoreContext, StoreMethods, StoreVariant } from './store-context.ts';
import { taskStore } from './task-store.ts';
import { workspaceStore } from './workspace-store.ts';
import type { Call } from './thread-messages.ts';
import { undeliveredAnswerStore } from './undelivered-answer-store.ts';
import { upstreamPauseStore } from './upstream-pause-store.ts';
import { uploadStore } from './upload-store.ts';
import { uptimeStore } from './uptime-store.ts';
import { webhookEventStore } from './webhook-event-store.ts';

/** SQLite's page cache: a journal's hot part many times over. */
const CACHE_KIB = 32 * 1024;
const BUSY_TIMEOUT_MS = 5_000;

export interface OpenStores {
  /** Runs a call as one transaction. Throws what the call throws, after rolling back. */
  run(call: Call): { readonly value: unknown; readonly hints: readonly Hint[] };
  close(): void;
}

export interface StoresOptions extends Pick<StoreContext, 'boot' | 'holdsFolder' | 'inJournalTransaction'> {
  readonly file: string;
  readonly variant: StoreVariant;
}

/**
 * Opens the database file, brought to this program's schema.
 * @throws DatabaseRefused `data_folder_newer`.
 */
export function openStores({ file, variant, ...options }: StoresOptions): OpenStores {
  const db = new SqliteDatabase(file, { timeout: BUSY_TIMEOUT_MS });
  db.pragma('journal_mode = WAL');
  // FULL: a commit that was answered survives power loss. NORMAL would be ten times faster and lose the last commits.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  migrate(db);

  let now = 0;
  let hints: Hint[] = [];
  const context: StoreContext = {
    ...options,
    db,
    now: () => now,
    hint: (hint) => hints.push(hint),
    sql: statementsOf(db),
  };
  const methods: StoreMethods = {
    ...fileStore(context),
    ...uploadStore(context),
    ...batchStore(context),
    ...taskStore(context),
    ...shardStore(context),
    ...journalStore(context),
    ...resultStore(context),
    ...attemptStore(context),
    ...blobNameStore(context),
    ...sessionStore(context),
    ...accessStore(context),
    ...workspaceStore(context),
    ...auditStore(context),
    ...uptimeStore(context),
    ...undeliveredAnswerStore(context),
    ...upstreamPauseStore(context),
    ...webhookEventStore(context),
    ping: () => {},
  };
  const all = { ...methods, ...variant(context, methods) } as unknown as Record<
    string,
    (...args: readonly unknown[]) => unknown
  >;
  const inTransaction = db.transaction((call: Call) => all[call.method](...call.args));

  return {
    run(call) {
      now = call.now;
      hints = [];
      const value = inTransaction.immediate(call);
      return { value, hints };
    },
    close: () => db.close(),
  };
}

function statementsOf(db: SqliteDatabase.Database): StoreContext['sql'] {
  const prepared = new Map<string, SqliteDatabase.Statement>();
  return (text) => {
    let statement = prepared.get(text);
    if (statement === undefined) {
      statement = db.prepare(text);
      prepared.set(text, statement);
    }
    return statement;
  };
}
