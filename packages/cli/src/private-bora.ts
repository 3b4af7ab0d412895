import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Bora } from '@bora/server';
import { readConfig } from '@bora/server/config/config';
import { createLog } from '@bora/server/observe/log';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';
import type { OptionFlags } from './option-flags.ts';

/**
 * A whole Bora for this process alone: on a free loopback port, with its data in `folder` and its log in `bora.log` there. Where it
 * listens and keeps its data is not to be configured; everything else is.
 * @throws CliError if it was told of no inference server
 */
export async function startPrivateBora(
  folder: string,
  flags: OptionFlags,
  signal: AbortSignal,
): Promise<Bora> {
  const config = readConfig({ env: process.env, flags });
  if (config.upstreams.length === 0)
    throw new CliError('No inference server was named.', {
      exitCode: EXIT.usage,
      why: 'The requests of the file need one that answers them.',
      whatToDo: 'Give --upstream http://host:8000, set BORA_UPSTREAM, or describe upstreams in ./bora.yaml.',
    });
  await mkdir(folder, { recursive: true });
  const log = createLog(config.logLevel, createWriteStream(join(folder, 'bora.log'), { flags: 'a' }));
  const bora = await Bora.create({ ...config, data: folder, host: '127.0.0.1', port: 0 }, { log });
  try {
    await bora.start(signal);
  } catch (error) {
    await bora.stop();
    throw error;
  }
  return bora;
}
