import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BoraClient } from '@bora/client';
import type { BoraOverrides } from '@bora/server';
import { Bora } from '@bora/server';
import { silentLog } from '@bora/server/observe/log';
import type { SimulatorSettings } from '@bora/simulator/settings';
import type { Simulator } from '@bora/simulator/simulator';
import { startSimulator } from '@bora/simulator/simulator';
import { makeTemporaryFolder } from './temporary-folder.ts';

export interface WholeBoraOptions {
  readonly simulator?: Partial<SimulatorSettings>;
  /** Base URLs of its upstreams, instead of the simulator. */
  readonly upstreams?: readonly string[];
  /** What `bora.yaml` says of the simulator beside its URL: `{ transcriptions: 'json' }`. */
  readonly upstream?: Readonly<Record<string, unknown>>;
  /** As in `bora.yaml`. */
  readonly webhooks?: readonly Readonly<Record<string, unknown>>[];
  /** Other options, as environment variables: `{ BORA_MAX_FILE_BYTES: '1MiB' }`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: BoraOverrides;
  /** Kept when the Bora is disposed of, so that another may be started on it. Default: a temporary folder. */
  readonly dataFolder?: string;
}

export interface WholeBora extends AsyncDisposable {
  readonly url: string;
  readonly bora: Bora;
  /** Its one upstream, unless `upstreams` named others. */
  readonly simulator: Simulator;
  readonly client: BoraClient;
  /** Another client, with a key. */
  clientWith(apiKey: string): BoraClient;
  readonly dataFolder: string;
}

/** Starts a whole Bora and a simulator in this process, on free ports, silent, with a short grace at its end. */
export async function startWholeBora(options: WholeBoraOptions = {}): Promise<WholeBora> {
  await using starting = new AsyncDisposableStack();
  const dataFolder = options.dataFolder ?? starting.use(await makeTemporaryFolder()).path;
  const simulator = starting.use(await startSimulator(options.simulator));
  const upstreams = options.upstreams ?? [simulator.url];
  if (options.upstream !== undefined || options.webhooks !== undefined) {
    // JSON is YAML.
    const described = {
      upstreams: options.upstream === undefined ? [] : [{ url: simulator.url, ...options.upstream }],
      webhooks: options.webhooks ?? [],
    };
    await writeFile(join(dataFolder, 'bora.yaml'), JSON.stringify(described));
  }
  const env = {
    BORA_PORT: '0',
    BORA_DATA: dataFolder,
    BORA_UPSTREAM: options.upstream === undefined ? upstreams.join(',') : '',
    // What happens to listen on the machine is not the test's.
    BORA_LOCAL_UPSTREAMS: 'ignore',
    BORA_STOP_GRACE_SECONDS: '1',
    ...options.env,
  };
  const bora = starting.use(
    await Bora.fromEnv({ env, folder: dataFolder }, { log: silentLog, ...options.overrides }),
  );
  await bora.start();
  const started = starting.move();
  return {
    url: bora.url,
    bora,
    simulator,
    client: new BoraClient({ baseUrl: bora.url }),
    clientWith: (apiKey) => new BoraClient({ baseUrl: bora.url, apiKey }),
    dataFolder,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}
