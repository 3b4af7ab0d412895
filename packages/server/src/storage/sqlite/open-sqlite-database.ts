import { mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../observe/clock.ts';
import type { BlobRef } from '../ports/blobs.ts';
import { DatabaseRefused, type Database, type Hint } from '../ports/database.ts';
import { BlobNotWritten, WorkspaceFull } from '../ports/file-records.ts';
import { decodeIndexRow, encodeRow, type EncodedIndexRow } from './journal-encoding.ts';
import type { Call, DescribedError, Reply, ThreadOptions } from './thread-messages.ts';

export interface SqliteOptions {
  /** Made if it is not there. Holds `bora.sqlite` and `lock.sqlite`. */
  readonly folder: string;
  readonly clock: Clock;
  /** Default true; see `ThreadOptions.lock`. */
  readonly lock?: boolean;
  /** See `ThreadOptions.killInJournalTransaction`. */
  readonly killInJournalTransaction?: number;
  /** See `ThreadOptions.storeVariant`. */
  readonly storeVariant?: URL;
}

/** Each port method; the compiler checks that the list is complete. */
const METHODS = Object.keys({
  createFile: 0,
  getFile: 0,
  findNamedFile: 0,
  listFiles: 0,
  findFilePlace: 0,
  readManifest: 0,
  readCuts: 0,
  deleteFile: 0,
  expireFiles: 0,
  createUpload: 0,
  getUpload: 0,
  addUploadPart: 0,
  readUploadParts: 0,
  completeUpload: 0,
  cancelUpload: 0,
  expireUploads: 0,
  createBatch: 0,
  getBatch: 0,
  listBatches: 0,
  findBatchPlace: 0,
  cancelBatch: 0,
  expireBatches: 0,
  nextDeadline: 0,
  deleteBatch: 0,
  countWork: 0,
  claimTask: 0,
  returnTask: 0,
  readPlanInput: 0,
  addShards: 0,
  finishPlan: 0,
  failBatch: 0,
  finalise: 0,
  purge: 0,
  claimShards: 0,
  claimDrain: 0,
  drainUntouched: 0,
  releaseShards: 0,
  commitShards: 0,
  appendJournal: 0,
  readJournalIndex: 0,
  readJournalBytes: 0,
  foldJournal: 0,
  readResults: 0,
  recordAttempts: 0,
  markSending: 0,
  readAttempts: 0,
  reserveBlobs: 0,
  releaseBlobs: 0,
  collectableBlobs: 0,
  markErased: 0,
  openSession: 0,
  heartbeat: 0,
  burySilentSessions: 0,
  leasesOf: 0,
  closeSession: 0,
  defaultWorkspace: 0,
  createKey: 0,
  listKeys: 0,
  findKey: 0,
  revokeKey: 0,
  hasKeys: 0,
  signingSecret: 0,
  createWorkspace: 0,
  listWorkspaces: 0,
  getWorkspace: 0,
  workspaceUsage: 0,
  changeWorkspace: 0,
  disabledWorkspaces: 0,
  readAudit: 0,
  pruneAudit: 0,
  addDowntime: 0,
  noteUp: 0,
  recordUndelivered: 0,
  takeUndelivered: 0,
  pauseUpstream: 0,
  resumeUpstream: 0,
  listUpstreamPauses: 0,
  configureWebhooks: 0,
  claimWebhookEvents: 0,
  postponeWebhookEvent: 0,
  removeWebhookEvent: 0,
  endWebhook: 0,
  ping: 0,
} satisfies Record<Exclude<keyof Database, 'onHint' | 'lost' | typeof Symbol.asyncDispose>, 0>);

/**
 * Opens the embedded database. SQLite runs in a thread of its own, so that neither a commit's fsync nor a large query ever
 * stops dispatch; each call is a message there and one back.
 * @throws DatabaseRefused `data_folder_in_use`, `data_folder_newer`.
 */
export async function openSqliteDatabase(options: SqliteOptions): Promise<Database> {
  const { folder, clock, lock = true, killInJournalTransaction = null } = options;
  mkdirSync(folder, { recursive: true });
  const threadOptions: ThreadOptions = {
    folder,
    lock,
    now: clock.now(),
    killInJournalTransaction,
    storeVariant: options.storeVariant?.href ?? null,
  };
  // The flags of the process are not the thread's: with `--eval` among them it would not load.
  const thread = new Worker(new URL('./sqlite-thread.ts', import.meta.url), {
    workerData: threadOptions,
    execArgv: [],
  });
  const connection = new Connection(thread, clock);
  await connection.ready;

  const methods = Object.fromEntries(
    METHODS.map((method) => [method, (...args: unknown[]) => connection.call(method, args)]),
  );
  const crossing: Pick<Database, 'createFile' | 'commitShards' | 'appendJournal' | 'readJournalIndex'> = {
    createFile: ({ manifest, cuts, ...file }, session, ...rest) => {
      const compact = { ...file, manifest: manifest.map(compactBlob), cuts: cuts && compactBlob(cuts) };
      return connection.call('createFile', [compact, session, ...rest]);
    },
    commitShards: (session, commits) => {
      const compact = commits.map((commit) => ({
        ...commit,
        parts: commit.parts.map((part) => ({ ...part, blob: compactBlob(part.blob) })),
      }));
      return connection.call('commitShards', [session, compact]);
    },
    appendJournal: (session, rows) => {
      const encoded = rows.map(encodeRow);
      const moved = encoded.map(({ bytes }) => bytes.buffer as ArrayBuffer);
      return connection.call('appendJournal', [session, encoded], moved);
    },
    async readJournalIndex(lease) {
      const rows = await connection.call<EncodedIndexRow[] | null>('readJournalIndex', [lease]);
      return rows && rows.map(decodeIndexRow);
    },
  };
  const rest = {
    ...crossing,
    lost: connection.lost,
    onHint: (listener: (hint: Hint) => void) => connection.onHint(listener),
    [Symbol.asyncDispose]: () => connection.close(),
  };
  return { ...methods, ...rest } as unknown as Database;
}

/** A message carries the whole buffer behind a view; a small view into a large one is cut out first. */
function compactBlob(blob: BlobRef): BlobRef {
  if (blob.kind === 'object' || blob.bytes.byteLength === blob.bytes.buffer.byteLength) return blob;
  return { kind: 'inline', bytes: new Uint8Array(blob.bytes) };
}

class Connection {
  readonly ready: Promise<void>;
  readonly #lost = new AbortController();
  readonly #thread: Worker;
  readonly #clock: Clock;
  readonly #calls = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  readonly #listeners = new Set<(hint: Hint) => void>();
  #lastId = 0;
  #ended: Error | null = null;
  #closing: Promise<void> | null = null;

  constructor(thread: Worker, clock: Clock) {
    this.#thread = thread;
    this.#clock = clock;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    thread.on('message', (reply: Reply) => {
      if (reply.kind === 'ready') resolve();
      else if (reply.kind === 'refused') reject(errorFrom(reply.error));
      else this.#onReply(reply);
    });
    thread.on('error', (error) => this.#end(error, reject));
    thread.on('exit', (code) => this.#end(new Error(`It ended with code ${code}.`), reject));
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** `moved` are buffers that nobody else will use again. */
  async call<Result>(
    method: string,
    args: readonly unknown[],
    moved: readonly ArrayBuffer[] = [],
  ): Promise<Result> {
    if (this.#ended !== null) throw this.#ended;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const id = ++this.#lastId;
    this.#calls.set(id, { resolve, reject });
    this.#thread.postMessage({ id, method, now: this.#clock.now(), args } satisfies Call, moved);
    return (await promise) as Result;
  }

  onHint(listener: (hint: Hint) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#ended !== null) return;
      const exited = new Promise((resolve) => this.#thread.once('exit', resolve));
      await this.call('close', []).catch(() => undefined);
      await exited;
    })();
    return this.#closing;
  }

  #onReply(reply: Extract<Reply, { kind: 'answer' | 'error' }>): void {
    const call = this.#calls.get(reply.id);
    this.#calls.delete(reply.id);
    if (reply.kind === 'error') {
      call?.reject(errorFrom(reply.error));
      return;
    }
    call?.resolve(reply.value);
    for (const hint of reply.hints) for (const listener of this.#listeners) listener(hint);
  }

  #end(cause: Error, rejectReady: (error: Error) => void): void {
    if (this.#ended !== null) return;
    const error = new Error(`The thread of the database has ended. ${cause.message}`, { cause });
    this.#ended = error;
    rejectReady(error);
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
    if (this.#closing === null) this.#lost.abort(error);
  }
}

function errorFrom({ name, message, code }: DescribedError): Error {
  if (name === 'DatabaseRefused') return new DatabaseRefused(code ?? 'database_refused', message);
  if (name === 'BlobNotWritten') return new BlobNotWritten(message);
  if (name === 'WorkspaceFull') return new WorkspaceFull(message);
  return Object.assign(new Error(message), { name, ...(code === undefined ? {} : { code }) });
}
