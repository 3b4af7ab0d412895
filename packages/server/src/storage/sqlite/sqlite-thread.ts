import { randomUUID } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import type { Hint } from '../ports/database.ts';
import { accessStore } from './access-store.ts';
import { batchStore } from './batch-store.ts';
import { blobNameStore } from './blob-name-store.ts';
import { fileStore } from './file-store.ts';
import { lockFolder } from './folder-lock.ts';
import { journalStore } from './journal-store.ts';
import { migrate } from './migrate.ts';
import { sessionStore } from './session-store.ts';
import { shardStore } from './shard-store.ts';
import type { StoreContext } from './store-context.ts';
import { taskStore } from './task-store.ts';
import type { Call, Reply, ThreadOptions } from './thread-messages.ts';

/** Statements are cached in memory that SQLite and the kernel share; 64 MiB hold a journal's hot part many times over. */
const CACHE_KIB = 64 * 1024;
const BUSY_TIMEOUT_MS = 5_000;

const options = workerData as ThreadOptions;
const port = parentPort!;

try {
  serve();
} catch (error) {
  port.postMessage({ kind: 'refused', error: describe(error) } satisfies Reply);
}

function serve(): void {
  const lock = options.lock ? lockFolder(`${options.folder}/lock.sqlite`, options.now) : null;
  const db = new SqliteDatabase(`${options.folder}/bora.sqlite`, { timeout: BUSY_TIMEOUT_MS });
  db.pragma('journal_mode = WAL');
  // FULL: a commit that was answered survives power loss. NORMAL would be ten times faster and lose the last commits.
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  migrate(db);

  let now = options.now;
  let hints: Hint[] = [];
  let journalTransactions = 0;
  const context: StoreContext = {
    db,
    boot: randomUUID(),
    now: () => now,
    hint: (hint) => hints.push(hint),
    sql: statementsOf(db),
    inJournalTransaction() {
      journalTransactions += 1;
      if (journalTransactions === options.killInJournalTransaction) process.kill(process.pid, 'SIGKILL');
    },
  };
  const methods = {
    ...fileStore(context),
    ...batchStore(context),
    ...taskStore(context),
    ...shardStore(context),
    ...journalStore(context),
    ...blobNameStore(context),
    ...sessionStore(context),
    ...accessStore(context),
    ping: (): void => {},
  } as Record<string, (...args: unknown[]) => unknown>;
  const inTransaction = db.transaction((call: Call) => methods[call.method](...call.args));

  port.on('message', (call: Call) => {
    if (call.method === 'close') {
      db.close();
      lock?.[Symbol.dispose]();
      port.postMessage({ kind: 'answer', id: call.id, value: undefined, hints: [] } satisfies Reply);
      port.close();
      return;
    }
    now = call.now;
    hints = [];
    try {
      const value = inTransaction.immediate(call);
      port.postMessage({ kind: 'answer', id: call.id, value, hints } satisfies Reply);
    } catch (error) {
      port.postMessage({ kind: 'error', id: call.id, error: describe(error) } satisfies Reply);
    }
  });
  port.postMessage({ kind: 'ready' } satisfies Reply);
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

function describe(error: unknown): { name: string; message: string; code?: string } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  return 'code' in error && typeof error.code === 'string'
    ? { name, message, code: error.code }
    : { name, message };
}
