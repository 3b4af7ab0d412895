import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bora } from '@bora/server';
import type { Config } from '@bora/server/config/config';

/**
 * A whole Bora for this process alone: on a free loopback port, with its data in `folder` and its log in `bora.log` there, whatever the
 * configuration says of these. It tells no webhook: no receiver could ask it for the batch.
 */
export async function startPrivateBora(folder: string, config: Config, signal: AbortSignal): Promise<Bora> {
  await mkdir(folder, { recursive: true });
  // Loaded only here: the server takes longer to load than most commands to run.
  const [server, { createLog }] = await Promise.all([
    import('@bora/server'),
    import('@bora/server/observe/log'),
  ]);
  const log = createLog(config.logLevel, createWriteStream(join(folder, 'bora.log'), { flags: 'a' }));
  const own = { ...config, data: folder, host: '127.0.0.1', port: 0, webhooks: [] };
  const bora = await server.Bora.create(own, { log });
  try {
    await bora.start(signal);
  } catch (error) {
    await bora.stop();
    throw error;
  }
  return bora;
}
