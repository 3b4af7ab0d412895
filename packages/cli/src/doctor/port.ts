import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '@bora/server/config/config';
import { clipped } from '../human-text.ts';
import { portHolder } from '../port-holder.ts';
import type { PortHolder } from '../port-holder.ts';
import type { Finding } from './finding.ts';

const ANSWERS_WITHIN_MS = 2_000;

/** Whether Bora could listen where it is told to, or does so already on the data folder that it is told of. */
export async function checkPort(config: Config): Promise<Finding> {
  const { host, port } = config;
  const check = 'port';
  const failure = await tryToListen(host, port);
  if (failure === null) {
    const detail = port === 0 ? 'a free one is picked at the start' : `${port} on ${host} is free`;
    return { check, state: 'ok', detail };
  }
  if (failure.code === 'EADDRINUSE') return takenPort(config);
  return {
    check,
    state: 'fail',
    detail: `Bora could not listen on ${host}, port ${port}: ${failure.message}`,
    whatToDo:
      failure.code === 'EACCES'
        ? 'Ports below 1024 belong to the system; choose another with --port or BORA_PORT.'
        : 'Name an address of this machine with --host or BORA_HOST.',
  };
}

async function takenPort({ host, port, data }: Config): Promise<Finding> {
  const holder = await portHolder(port);
  const who = holder === null ? '' : `: process ${holder.pid}, ${clipped(holder.command, 100)}`;
  const isHeldByBora = await isBora(host, port);
  if (isHeldByBora && (await isHolderOf(data, holder)))
    return { check: 'port', state: 'ok', detail: `${port} on ${host} is held by a Bora${who}` };
  const other = isHeldByBora ? 'the Bora of another data folder' : 'another program';
  return {
    check: 'port',
    state: 'fail',
    detail: `${port} on ${host} is taken by ${other}${who}`,
    whatToDo: 'Stop that one, or choose another port with --port or BORA_PORT.',
  };
}

/** Whether who holds the port, null if that cannot be told, holds the data folder as well, as far as can be told. */
async function isHolderOf(data: string, holder: PortHolder | null): Promise<boolean> {
  const { dataFolderHolder } = await import('@bora/server/data-folder');
  try {
    const ofFolder = dataFolderHolder(data);
    return ofFolder !== null && (holder === null || holder.pid === ofFolder.pid);
  } catch {
    // That the folder cannot be read is told by its own check.
    return true;
  }
}

async function tryToListen(host: string, port: number): Promise<NodeJS.ErrnoException | null> {
  const server = createServer();
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return null;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  } finally {
    server.close();
  }
}

/** Only Bora's health page looks as it does. */
async function isBora(host: string, port: number): Promise<boolean> {
  const anyAddress: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };
  const name = anyAddress[host] ?? (host.includes(':') ? `[${host}]` : host);
  try {
    const signal = AbortSignal.timeout(ANSWERS_WITHIN_MS);
    const response = await fetch(`http://${name}:${port}/healthz`, { signal });
    return ((await response.json()) as { status?: unknown }).status === 'ok';
  } catch {
    return false;
  }
}
