import { randomUUID } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase from 'better-sqlite3';
import { lockFolder } from './folder-lock.ts';
import { openStores, type OpenStores } from './open-stores.ts';
import type { StoreVariant } from './store-context.ts';
import type { Call, DescribedError, Reply, ThreadOptions } from './thread-messages.ts';

const options = workerData as ThreadOptions;
const port = parentPort!;

try {
  serve(await loadVariant());
} catch (error) {
  reply({ kind: 'refused', error: describe(error) });
}

function serve(variant: StoreVariant): void {
  const { folder, killInJournalTransaction } = options;
  const lock = options.lock ? lockFolder(`${folder}/lock.sqlite`, options.now) : null;
  const boot = randomUUID();
  let journalTransactions = 0;
  const open = (): OpenStores =>
    openStores({
      file: `${folder}/bora.sqlite`,
      variant,
      boot,
      holdsFolder: lock !== null,
      inJournalTransaction() {
        journalTransactions += 1;
        if (journalTransactions === killInJournalTransaction) process.kill(process.pid, 'SIGKILL');
      },
    });
  let stores: OpenStores | null = openOrUnlock(open, lock);

  port.on('message', (call: Call) => {
    if (call.method === 'close') {
      stores?.close();
      lock?.[Symbol.dispose]();
      reply({ kind: 'answer', id: call.id, value: undefined, hints: [] });
      port.close();
      return;
    }
    try {
      stores ??= open();
      reply({ kind: 'answer', id: call.id, ...stores.run(call) });
    } catch (error) {
      reply({ kind: 'error', id: call.id, error: describe(error) });
      if (isDiskFailure(error)) stores = abandon(stores);
    }
  });
  reply({ kind: 'ready' });
}

function openOrUnlock(open: () => OpenStores, lock: Disposable | null): OpenStores {
  try {
    return open();
  } catch (error) {
    lock?.[Symbol.dispose]();
    throw error;
  }
}

/**
 * After a failed write or fsync nobody knows what the file holds, and SQLite's memory of it may differ: the next call opens the
 * database anew and so sees what is really there.
 */
function abandon(stores: OpenStores | null): null {
  try {
    stores?.close();
  } catch {
    // The disk fails; there is nothing to save here, and the next call reports what is wrong.
  }
  return null;
}

function isDiskFailure(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_IOERR');
}

async function loadVariant(): Promise<StoreVariant> {
  if (options.storeVariant === null) return () => ({});
  const module = (await import(options.storeVariant)) as { readonly storeVariant: StoreVariant };
  return module.storeVariant;
}

function reply(message: Reply): void {
  const { value } = message.kind === 'answer' ? message : { value: null };
  port.postMessage(message, Array.isArray(value) ? value.flatMap(wholeBuffer) : []);
}

/** Bytes read for a caller are moved to it, not copied, where they are all that their buffer holds. */
function wholeBuffer(value: unknown): ArrayBuffer[] {
  if (!(value instanceof Uint8Array) || !(value.buffer instanceof ArrayBuffer)) return [];
  return value.byteLength === value.buffer.byteLength && value.byteLength > 0 ? [value.buffer] : [];
}

function describe(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message } = error;
  return 'code' in error && typeof error.code === 'string'
    ? { name, message, code: error.code }
    : { name, message };
}
