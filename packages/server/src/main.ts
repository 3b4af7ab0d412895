import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';
import type { FastifyInstance } from 'fastify';
import manifest from '../package.json' with { type: 'json' };
import { AuditRetention } from './access/audit-retention.ts';
import { Authenticator } from './access/authenticate.ts';
import { checkBinding } from './access/loopback.ts';
import { downloadLink } from './access/signed-url.ts';
import { StorageWaits } from './batches/storage-waits.ts';
import { createApi } from './api/create-api.ts';
import { listenOn } from './api/listen.ts';
import { CallMemory } from './api/call-memory.ts';
import { closeWithin } from './api/close-within.ts';
import { WritingSession } from './api/writing-session.ts';
import type { Config, ConfigSources } from './config/config.ts';
import { readConfig } from './config/config.ts';
import { LineContent } from './dispatch/line-content.ts';
import { DEFAULT_DISPATCH_SETTINGS } from './dispatch/settings.ts';
import type { DispatchSettings } from './dispatch/settings.ts';
import { batchValidation } from './dispatch/validation.ts';
import { Worker } from './dispatch/worker.ts';
import { Collector } from './files/collector.ts';
import { IndexThread } from './files/index-thread.ts';
import { Gateway } from './gateway/gateway.ts';
import type { Clock } from './observe/clock.ts';
import { systemClock } from './observe/clock.ts';
import type { Log } from './observe/log.ts';
import { createLog, logOf } from './observe/log.ts';
import { Metrics } from './observe/metrics.ts';
import type { ReachStopPoint } from './observe/stop-points.ts';
import { passStopPoints } from './observe/stop-points.ts';
import { openDiskBlobStore } from './storage/disk/disk-blob-store.ts';
import { openSystemDisk } from './storage/disk/system-disk.ts';
import type { BlobStore } from './storage/ports/blobs.ts';
import type { Database } from './storage/ports/database.ts';
import type { Disk } from './storage/ports/disk.ts';
import type { SqliteOptions } from './storage/sqlite/open-sqlite-database.ts';
import { openSqliteDatabase } from './storage/sqlite/open-sqlite-database.ts';
import { GuardedFetch } from './upstreams/guarded-fetch.ts';
import type { Resolve } from './upstreams/guarded-fetch.ts';
import type { FindUpstreams } from './upstreams/local-servers.ts';
import { findLocalServers } from './upstreams/local-servers.ts';
import { UpstreamRegistry } from './upstreams/registry.ts';
import type { RegistryOptions } from './upstreams/registry.ts';
import type { Upstreams, UpstreamStatus } from './upstreams/upstreams.ts';
import { WebhookDelivery } from './webhooks/delivery.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** A link to a file goes to an upstream with the request, which may wait there as long as the attempt may take. */
const LINK_SECONDS = 24 * 60 * 60;

/** What tests and tools put in place of the real thing. */
export interface BoraOverrides {
  readonly log?: Log;
  readonly clock?: Clock;
  /** From 0 inclusive to 1 exclusive, like `Math.random`. */
  readonly random?: () => number;
  readonly reachStopPoint?: ReachStopPoint;
  /** Wraps the database that was opened. */
  readonly database?: (database: Database) => Database;
  /** Wraps the disk of the blobs. */
  readonly disk?: (disk: Disk) => Disk | Promise<Disk>;
  readonly sqlite?: Pick<SqliteOptions, 'killInJournalTransaction' | 'storeVariant'>;
  readonly upstreams?: Upstreams;
  /** Looks for upstreams where none is configured, unless it is configured to look for none. */
  readonly findUpstreams?: FindUpstreams;
  /** Resolves the hosts of links in requests. */
  readonly resolve?: Resolve;
  readonly dispatch?: Partial<DispatchSettings>;
}

interface Parts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly database: Database;
  readonly upstreams: Upstreams;
  readonly worker: Worker;
  readonly collector: Collector;
  readonly auditRetention: AuditRetention;
  readonly webhooks: WebhookDelivery;
  readonly api: FastifyInstance;
  /** Closes what was opened, in the opposite order. */
  readonly opened: AsyncDisposableStack;
}

/**
 * A whole Bora in this process: `fromEnv → create → start → stop`. It never ends the process: once stopped it holds nothing that
 * would keep it alive.
 */
export class Bora implements AsyncDisposable {
  readonly #parts: Parts;
  #url: string | null = null;
  #stopping: Promise<void> | null = null;

  /**
   * @throws ConfigError
   * @throws DatabaseRefused if another process holds the data folder, or a newer Bora wrote it
   */
  static async fromEnv(sources: ConfigSources, overrides?: BoraOverrides): Promise<Bora> {
    return Bora.create(readConfig(sources), overrides);
  }

  /** Opens the data folder. Nothing listens and nothing is sent yet. */
  static async create(config: Config, overrides: BoraOverrides = {}): Promise<Bora> {
    await using opening = new AsyncDisposableStack();
    const parts = await open(config, overrides, opening);
    return new Bora({ ...parts, opened: opening.move() });
  }

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Where it listens, such as `http://127.0.0.1:2672`. */
  get url(): string {
    if (this.#url === null) throw new Error('Bora does not listen yet. Await start() first.');
    return this.#url;
  }

  /**
   * Aborts, with the reason, when Bora can do nothing more because its database is gone. It cannot be stopped in order then: end the
   * process, and start it again; nothing acknowledged is lost.
   */
  get lost(): AbortSignal {
    return this.#parts.database.lost;
  }

  /** For people and tools that want to know what is behind it. */
  upstreamStatus(): readonly UpstreamStatus[] {
    return this.#parts.upstreams.status();
  }

  /**
   * Listens, goes on with whatever an earlier run left, and asks the upstreams for their models (3 seconds at most; one that is
   * down then is found later).
   * @throws OpenToEverybody, CannotListen
   */
  async start(signal?: AbortSignal): Promise<void> {
    const { config, log, database, upstreams, worker, collector, auditRetention, webhooks, api } =
      this.#parts;
    for (const pause of await database.listUpstreamPauses()) upstreams.pause(pause);
    checkBinding(config.host, await database.hasKeys());
    await webhooks.configure();
    this.#url = await listenOn(api, config.host, config.port);
    worker.start();
    collector.start();
    auditRetention.start();
    webhooks.start();
    log.info({ url: this.#url, data: config.data }, 'Bora listens');
    await upstreams.start(signal);
  }

  /**
   * Stops in order: takes no new calls, lets calls and requests in flight finish for the configured grace, journals what was
   * answered, gives leases back and closes the data folder. What did not finish is sent again after the next start. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const { config, log, clock, worker, collector, auditRetention, webhooks, api, opened } = this.#parts;
    await using _closedLast = opened;
    const graceMs = config.stopGraceSeconds * 1000;
    log.info({ graceSeconds: config.stopGraceSeconds }, 'Bora stops; what is in flight may finish');
    const [{ aborted }] = await Promise.all([
      worker.stop(graceMs),
      closeWithin(api, graceMs, clock),
      collector.stop(),
      auditRetention.stop(),
    ]);
    await webhooks.stop();
    log.info({ aborted }, 'Bora stopped; aborted requests are sent again after the next start');
  }
}

/** What a Bora of this configuration would find behind it: asks each upstream for its models, 3 seconds at most. */
export async function lookAtUpstreams(
  config: Config,
  signal?: AbortSignal,
): Promise<readonly UpstreamStatus[]> {
  await using upstreams = upstreamRegistry(config, findLocalServers, {
    clock: systemClock,
    random: Math.random,
    log: createLog('silent'),
  });
  await upstreams.start(signal);
  return upstreams.status();
}

function upstreamRegistry(
  { upstreams, localUpstreams, maxAnswerBytes, openAiMembers }: Config,
  findUpstreams: FindUpstreams,
  parts: Pick<RegistryOptions, 'clock' | 'random' | 'log'>,
): UpstreamRegistry {
  const find = localUpstreams === 'find' ? findUpstreams : null;
  const endpoints = [...new Set([...BATCH_ENDPOINTS, ...Object.keys(openAiMembers)])];
  return new UpstreamRegistry({ upstreams, find, endpoints, maxAnswerBytes, ...parts });
}

async function open(
  config: Config,
  overrides: BoraOverrides,
  opening: AsyncDisposableStack,
): Promise<Omit<Parts, 'opened'>> {
  const { clock = systemClock, random = Math.random, reachStopPoint = passStopPoints } = overrides;
  const log = overrides.log ?? createLog(config.logLevel);
  const metrics = new Metrics();
  metrics.addProcessFigures();

  const opened = opening.use(await openSqliteDatabase({ ...overrides.sqlite, folder: config.data, clock }));
  const database = overrides.database?.(opened) ?? opened;
  database.lost.addEventListener('abort', () => {
    logOf(log, 'storage').fatal(
      { err: database.lost.reason as Error },
      'the database is gone; Bora must be started again',
    );
  });
  const systemDisk = await openSystemDisk(join(config.data, 'blobs'));
  const disk = (await overrides.disk?.(systemDisk)) ?? systemDisk;
  const blobs = await openDiskBlobStore(disk, { minFreeBytes: config.minFreeBytes / 2 });
  const waits = new StorageWaits();

  const upstreams = opening.use(
    overrides.upstreams ??
      upstreamRegistry(config, overrides.findUpstreams ?? findLocalServers, {
        clock,
        random,
        log: logOf(log, 'upstreams'),
      }),
  );
  const worker = new Worker({
    database,
    blobs,
    upstreams,
    waits,
    content: lineContent(config, { database, blobs, clock }, overrides.resolve),
    clock,
    log: logOf(log, 'worker'),
    reachStopPoint,
    settings: {
      ...DEFAULT_DISPATCH_SETTINGS,
      maxLineBytes: config.maxLineBytes,
      minFreeBytes: config.minFreeBytes,
      ...overrides.dispatch,
    },
    validation: batchValidation(upstreams, {
      endpoints: config.openAiMembers,
      mixedModels: config.mixedModels,
      maxRequests: config.maxFileLines,
      maxLineBytes: config.maxLineBytes,
    }),
  });
  const collector = new Collector({ database, blobs, clock, log: logOf(log, 'files') });
  const auditRetention = new AuditRetention({
    database,
    clock,
    log: logOf(log, 'access'),
    keepMs: config.auditDays * DAY_MS,
  });
  const webhooks = new WebhookDelivery({
    receivers: config.webhooks,
    database,
    clock,
    random,
    log: logOf(log, 'webhooks'),
    metrics,
  });
  const api = createApi({
    version: manifest.version,
    database,
    blobs,
    session: opening.use(new WritingSession(database, clock, logOf(log, 'api'))),
    memory: new CallMemory(clock, config.stallSeconds * 1000),
    indexer: opening.use(new IndexThread(clock)),
    authenticator: new Authenticator(database),
    upstreams,
    gateway: new Gateway(upstreams),
    waits,
    clock,
    log: logOf(log, 'api'),
    metrics,
    reachStopPoint,
    settings: { ...config, openAiEndpoints: Object.keys(config.openAiMembers) },
  });
  const mainLog = logOf(log, 'main');
  return {
    config,
    log: mainLog,
    clock,
    database,
    upstreams,
    worker,
    collector,
    auditRetention,
    webhooks,
    api,
  };
}

function lineContent(
  config: Config,
  { database, blobs, clock }: { database: Database; blobs: BlobStore; clock: Clock },
  resolve: Resolve | undefined,
): LineContent {
  const { fetchMaxBytes: maxBytes, fetchTimeoutSeconds, fetchAllow, publicUrl } = config;
  const settings = { maxBytes, timeoutMs: fetchTimeoutSeconds * 1000, allow: fetchAllow ?? [] };
  return new LineContent({
    database,
    blobs,
    fetch: new GuardedFetch(settings, clock, resolve),
    linkTo: async ({ id: fileId, workspaceId }, { id: batchId }) => {
      const expires = Math.floor(clock.now() / 1000) + LINK_SECONDS;
      const grant = { fileId, workspaceId, expires, batchId };
      // Checked with the configuration: no upstream takes links unless there is a public URL.
      return downloadLink(publicUrl!, grant, await database.signingSecret());
    },
    newBoundary: () => `bora-${randomUUID()}`,
  });
}
