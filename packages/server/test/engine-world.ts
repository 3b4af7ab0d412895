import { randomUUID } from 'node:crypto';
import { OPENAI_REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import { BlobNamePool } from '../src/files/blob-names.ts';
import { readFileRange } from '../src/files/content.ts';
import { LineContent } from '../src/dispatch/line-content.ts';
import type { LineContentDependencies } from '../src/dispatch/line-content.ts';
import { IndexThread } from '../src/files/index-thread.ts';
import { ingestFile } from '../src/files/ingest.ts';
import { systemClock } from '../src/observe/clock.ts';
import type { Clock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import { passStopPoints, type ReachStopPoint } from '../src/observe/stop-points.ts';
import { StorageWaits } from '../src/batches/storage-waits.ts';
import { batchValidation } from '../src/dispatch/validation.ts';
import { Worker } from '../src/dispatch/worker.ts';
import { DEFAULT_DISPATCH_SETTINGS, type DispatchSettings } from '../src/dispatch/settings.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import { openSystemDisk } from '../src/storage/disk/system-disk.ts';
import type { BatchRecord, NewBatch } from '../src/storage/ports/batch-records.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { Database } from '../src/storage/ports/database.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';
import { quickened } from '@bora/testkit/quickened-clock';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { ScriptedUpstreams } from './scripted-upstreams.ts';

/** The engine without HTTP on either side: real SQLite, real disk, a scripted upstream. */
export interface EngineWorld extends AsyncDisposable {
  readonly database: Database;
  readonly upstreams: ScriptedUpstreams;
  /** What jobs would show under `bora.waiting` of the storage. */
  readonly waits: StorageWaits;
  readonly worker: Worker;
  /** A second worker on the same database; the caller stops it. */
  another(): Worker;
  readonly workspaceId: string;
  upload(lines: readonly string[], check?: 'refuse-bad-lines' | 'no-index'): Promise<string>;
  create(fileIds: readonly string[], batch?: Partial<NewBatch>): Promise<string>;
  batch(batchId: string): Promise<BatchRecord>;
  /** Resolves with the batch once `test` holds of it; the surrounding test's timeout is the limit. */
  until(batchId: string, test: (batch: BatchRecord) => boolean): Promise<BatchRecord>;
  /** The same for anything else. */
  waitFor(test: () => boolean | Promise<boolean>): Promise<void>;
  ended(batchId: string): Promise<BatchRecord>;
  lines(fileId: string | null): Promise<ResultLine[]>;
}

interface ResultLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response: { readonly status_code: number; readonly body: unknown };
}

export async function openEngineWorld(
  options: {
    settings?: Partial<DispatchSettings>;
    reachStopPoint?: ReachStopPoint;
    /** Wraps the workers' database and blobs, and nobody else's. */
    database?: (database: Database) => Database;
    blobs?: (blobs: BlobStore) => BlobStore;
    /** Default: nothing is to be fetched. */
    fetch?: LineContentDependencies['fetch'];
    /** How many times faster than ours its time passes, so that waits between retries are short. Default 1. */
    speed?: number;
    /** Milliseconds by which its clock on the wall is ahead; may grow at any time. */
    ahead?: () => number;
  } = {},
): Promise<EngineWorld> {
  const folder = await makeTemporaryFolder();
  const { speed = 1, ahead = () => 0 } = options;
  const quick = quickened(systemClock, speed);
  const clock: Clock = { ...quick, now: () => quick.now() + ahead() };
  const database = await openSqliteDatabase({ folder: folder.path, clock });
  const blobs = await openDiskBlobStore(await openSystemDisk(folder.path));
  const indexer = new IndexThread(clock);
  const upstreams = new ScriptedUpstreams();
  const waits = new StorageWaits();
  const reachStopPoint = options.reachStopPoint ?? passStopPoints;
  const { id: workspaceId } = await database.defaultWorkspace();
  const session = await database.openSession();
  const names = new BlobNamePool(database, session);
  const settings = { ...DEFAULT_DISPATCH_SETTINGS, ...options.settings };
  const stores = {
    database: options.database?.(database) ?? database,
    blobs: options.blobs?.(blobs) ?? blobs,
  };
  const workers = {
    ...stores,
    upstreams,
    waits,
    clock,
    log: silentLog,
    reachStopPoint,
    settings,
    validation: batchValidation(upstreams, {
      endpoints: OPENAI_REQUIRED_MEMBERS,
      mixedModels: 'allow',
      maxRequests: null,
      maxLineBytes: settings.maxLineBytes,
    }),
    content: new LineContent({
      ...stores,
      fetch: options.fetch ?? { open: () => Promise.reject(new Error('Nothing is to be fetched.')) },
      linkTo: () => Promise.reject(new Error('Nothing is to be linked.')),
      newBoundary: () => 'boundary',
    }),
  };
  const another = (): Worker => new Worker(workers);
  const worker = another();

  const batch = async (batchId: string): Promise<BatchRecord> => {
    const found = await database.getBatch(workspaceId, batchId);
    if (found === null) throw new Error(`There is no batch ${batchId}.`);
    return found;
  };
  const until: EngineWorld['until'] = async (batchId, test) => {
    for (;;) {
      const found = await batch(batchId);
      if (test(found)) return found;
      await systemClock.sleep(5);
    }
  };

  return {
    async waitFor(test) {
      while (!(await test())) await systemClock.sleep(5);
    },
    database,
    upstreams,
    waits,
    worker,
    another,
    workspaceId,
    batch,
    until,
    async upload(lines, check = 'refuse-bad-lines') {
      const record = await ingestFile(
        { database, blobs, names, session, indexer, reachStopPoint },
        {
          id: randomUUID(),
          workspaceId,
          filename: 'requests.jsonl',
          purpose: 'batch',
          sampleType: 'batch_request',
          source: 'upload',
          mimetype: 'application/jsonl',
          visibility: 'workspace',
          expireMs: null,
          createdBy: null,
        },
        (async function* () {
          yield Buffer.from(lines.map((line) => `${line}\n`).join(''));
        })(),
        { check },
      );
      return record.id;
    },
    async create(inputFileIds, overrides) {
      const id = randomUUID();
      const result = await database.createBatch(
        {
          id,
          workspaceId,
          dialect: 'mistral',
          endpoint: '/v1/chat/completions',
          model: 'm',
          agentId: null,
          metadata: null,
          timeoutMs: 3_600_000,
          inputFileIds,
          inline: false,
          totalRequests: null,
          routes: null,
          priority: 0,
          createdBy: null,
          ...overrides,
        },
        { maxPendingRequests: null, maxActiveJobs: null },
      );
      if (result.kind !== 'created') throw new Error(`The batch was not created: ${result.kind}.`);
      return id;
    },
    ended: (batchId) => until(batchId, (found) => found.endedAt !== null),
    async lines(fileId) {
      if (fileId === null) return [];
      const file = await database.getFile(workspaceId, fileId, null);
      if (file === null) throw new Error(`There is no file ${fileId}.`);
      const chunks: Uint8Array[] = [];
      for await (const chunk of readFileRange({ database, blobs }, fileId, 0, file.bytes)) chunks.push(chunk);
      const text = Buffer.concat(chunks).toString();
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as ResultLine);
    },
    async [Symbol.asyncDispose]() {
      await worker.stop(0);
      await indexer[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
