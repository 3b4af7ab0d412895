import { BoraClient } from '@bora/client';
import type { BoraOverrides } from '@bora/server';
import { Bora } from '@bora/server';
import { silentLog } from '@bora/server/observe/log';
import { makeTemporaryFolder } from './temporary-folder.ts';

export interface WholeBoraOptions {
  /** Base URLs of its upstreams. */
  readonly upstreams: readonly string[];
  /** Other options, as environment variables: `{ BORA_MAX_FILE_BYTES: '1MiB' }`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly overrides?: BoraOverrides;
  /** Kept when the Bora is disposed of, so that another may be started on it. Default: a temporary folder. */
  readonly dataFolder?: string;
}

export interface WholeBora extends AsyncDisposable {
  readonly url: string;
  readonly bora: Bora;
  readonly client: BoraClient;
  readonly dataFolder: string;
}

/** Starts a whole Bora in this process, on a free port, silent, with a short grace at its end. */
export async function startWholeBora(options: WholeBoraOptions): Promise<WholeBora> {
  await using starting = new AsyncDisposableStack();
  const dataFolder = options.dataFolder ?? starting.use(await makeTemporaryFolder()).path;
  const env = {
    BORA_PORT: '0',
    BORA_DATA: dataFolder,
    BORA_UPSTREAM: options.upstreams.join(','),
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
    client: new BoraClient({ baseUrl: bora.url }),
    dataFolder,
    [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
  };
}
