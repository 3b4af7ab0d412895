import { readdir, readFile, readlink } from 'node:fs/promises';

/** `0A` in `/proc/net/tcp`: the socket listens. */
const LISTENS = '0A';

/** A process that listens on a port. */
export interface PortHolder {
  readonly pid: number;
  /** What it was started as, its arguments after it. */
  readonly command: string;
}

/**
 * Who listens on a TCP port of this machine, as `/proc` of Linux tells. Null if that cannot be told: on another system, or because the
 * process belongs to somebody else.
 */
export async function portHolder(port: number): Promise<PortHolder | null> {
  const sockets = await listeningSockets(port);
  if (sockets.size === 0) return null;
  for (const pid of (await entriesOf('/proc')).filter((name) => /^\d+$/.test(name))) {
    for (const descriptor of await entriesOf(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (sockets.has(target)) return { pid: Number(pid), command: await commandOf(pid) };
    }
  }
  return null;
}

/** As descriptors link to them: `socket:[4711]`. */
async function listeningSockets(port: number): Promise<ReadonlySet<string>> {
  const hexPort = port.toString(16).toUpperCase().padStart(4, '0');
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8').catch(() => '')),
  );
  const rows = tables.flatMap((table) => table.split('\n').map((row) => row.trim().split(/\s+/)));
  const listening = rows.filter(
    ([, local = '', , state]) => local.endsWith(`:${hexPort}`) && state === LISTENS,
  );
  return new Set(listening.map((row) => `socket:[${row[9]}]`));
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function commandOf(pid: string): Promise<string> {
  const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return text.replaceAll('\0', ' ').trim();
}
