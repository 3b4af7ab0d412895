import { join } from 'node:path';
import { BATCH_ENDPOINTS, OPENAI_REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import type { MistralFile } from '@bora/protocol/mistral-files';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import type { FastifyInstance } from 'fastify';
import { Authenticator } from '../src/access/authenticate.ts';
import { createApi } from '../src/api/create-api.ts';
import { CallMemory } from '../src/api/call-memory.ts';
import type { ApiDependencies, ApiSettings } from '../src/api/dependencies.ts';
import { WritingSession } from '../src/api/writing-session.ts';
import { StorageWaits } from '../src/batches/storage-waits.ts';
import { Gateway } from '../src/gateway/gateway.ts';
import { IndexThread } from '../src/files/index-thread.ts';
import type { Clock } from '../src/observe/clock.ts';
import { systemClock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { passStopPoints } from '../src/observe/stop-points.ts';
import { openDiskBlobStore } from '../src/storage/disk/disk-blob-store.ts';
import { openSystemDisk } from '../src/storage/disk/system-disk.ts';
import type { BlobStore } from '../src/storage/ports/blobs.ts';
import type { Database } from '../src/storage/ports/database.ts';
import { openSqliteDatabase } from '../src/storage/sqlite/open-sqlite-database.ts';

export interface ApiServer extends AsyncDisposable {
  readonly app: FastifyInstance;
  readonly url: string;
  readonly dataFolder: string;
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly workspaceId: string;
  /** What the upstreams are said to know; may be changed at any time. */
  readonly upstreams: {
    reachable: boolean;
    models: string[] | 'any';
    endpoints: readonly string[];
    waiting: string | null;
  };
}

export interface ApiServerOptions {
  readonly settings?: Partial<ApiSettings>;
  /** Default: an empty one, which goes with the server. */
  readonly dataFolder?: string;
  readonly memory?: CallMemory;
  /** Milliseconds by which this server's time is ahead. */
  readonly ahead?: () => number;
  /** The script of the index thread. */
  readonly indexScript?: URL;
  readonly wrapBlobs?: (blobs: BlobStore) => BlobStore;
  readonly wrapDatabase?: (database: Database) => Database;
}

const SETTINGS: ApiSettings = {
  publicUrl: null,
  corsOrigins: null,
  maxPendingRequests: null,
  maxActiveJobs: null,
  maxStoredBytes: null,
  maxFileBytes: null,
  maxFileLines: null,
  maxLineBytes: 16 * 1024 * 1024,
  maxCreateBytes: 256 * 1024 * 1024,
  minFreeBytes: 0,
  stallSeconds: 60,
  maxConnections: 1024,
  leastTimeoutMs: 0,
  openAiEndpoints: Object.keys(OPENAI_REQUIRED_MEMBERS),
  minCompletionWindow: '1m',
  maxCompletionWindow: '30d',
};

/** The HTTP edge over a real database and disk, without dispatch: jobs are taken and stay where they are. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const made = options.dataFolder === undefined ? await makeTemporaryFolder() : null;
  const dataFolder = made?.path ?? options.dataFolder!;
  const { ahead = () => 0, wrapBlobs = (blobs) => blobs, wrapDatabase = (database) => database } = options;
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + ahead(),
    elapsed: () => systemClock.elapsed() + ahead(),
  };
  const opened = await openSqliteDatabase({ folder: dataFolder, clock });
  const database = wrapDatabase(opened);
  const blobs = wrapBlobs(await openDiskBlobStore(await openSystemDisk(join(dataFolder, 'blobs'))));
  const session = new WritingSession(database, clock, silentLog);
  const indexer = new IndexThread(clock, options.indexScript);
  const upstreams: ApiServer['upstreams'] = {
    reachable: true,
    models: 'any',
    endpoints: BATCH_ENDPOINTS,
    waiting: null,
  };
  const settings = { ...SETTINGS, ...options.settings };
  const deps: ApiDependencies = {
    version: '0.0.0',
    database,
    blobs,
    session,
    memory: options.memory ?? new CallMemory(clock, settings.stallSeconds * 1000),
    indexer,
    authenticator: new Authenticator(database),
    upstreams: {
      endpoints: () => upstreams.endpoints,
      models: () => ({ ...upstreams, unheard: [] }),
      whyWaiting: () => upstreams.waiting,
      status: () => [],
      pause: () => {},
      resume: () => {},
    },
    gateway: new Gateway({
      acquireAhead: () => Promise.reject(new Error('Nothing is passed through here.')),
      models: () => ({ ...upstreams, unheard: [] }),
    }),
    waits: new StorageWaits(),
    clock,
    log: silentLog,
    metrics: new Metrics(),
    reachStopPoint: passStopPoints,
    settings,
  };
  const app = createApi(deps);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    app,
    url,
    dataFolder,
    database,
    blobs,
    workspaceId: (await database.defaultWorkspace()).id,
    upstreams,
    async [Symbol.asyncDispose]() {
      app.server.closeAllConnections();
      await app.close();
      await session[Symbol.asyncDispose]();
      await indexer[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
      await made?.[Symbol.asyncDispose]();
    },
  };
}

export interface Answer<Body> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

/** Calls the server and reads the JSON of its answer, which is an error body unless said otherwise. */
export async function call<Body = ErrorBody>(
  server: ApiServer,
  path: string,
  init?: RequestInit,
): Promise<Answer<Body>> {
  const response = await fetch(`${server.url}${path}`, init);
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text || 'null') as Body, headers: response.headers };
}

/** Posts a form of the given parts, in their order. */
export function upload<Body = MistralFile>(
  server: ApiServer,
  parts: readonly (readonly [string, string | File])[],
): Promise<Answer<Body>> {
  const body = new FormData();
  for (const [name, value] of parts) body.append(name, value);
  return call(server, '/v1/files', { method: 'POST', body });
}

/** Uploads lines as a batch file and answers its id. */
export async function uploadLines(
  server: ApiServer,
  lines: readonly object[],
  name = 'in.jsonl',
): Promise<string> {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const { status, body } = await upload(server, [
    ['purpose', 'batch'],
    ['file', new File([text], name)],
  ]);
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body.id;
}

export function postJson<Body = ErrorBody>(
  server: ApiServer,
  path: string,
  body: unknown,
): Promise<Answer<Body>> {
  return call(server, path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** A request that a chat job takes. */
export function chatLine(custom_id: string | null, model?: string): object {
  const messages = [{ role: 'user', content: 'hello' }];
  return { custom_id, body: model === undefined ? { messages } : { model, messages } };
}
