import { execFileSync } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';

/** `type` of statfs(2) for a file system in memory, on which nothing is durable and fsync costs nothing. */
const TMPFS = 0x01021994;

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly node: string;
  /** Short commit, with `+` if files differ from it; `unknown` outside a checkout. */
  readonly commit: string;
  readonly folder: string;
  readonly isDurable: boolean;
  /** Processes that ran or waited for a core in the minute before. */
  readonly load: number;
  readonly date: string;
}

export async function describeMachine(folder: string): Promise<Machine> {
  const processors = cpus();
  return {
    cores: processors.length,
    processor: processors[0].model,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
    folder,
    isDurable: (await statfs(folder)).type !== TMPFS,
    load: loadavg()[0],
    date: new Date().toISOString(),
  };
}

export function machineText(machine: Machine): string {
  const { cores, processor, memoryGiB, node, load, folder, isDurable } = machine;
  const disk = isDurable
    ? folder
    : `${folder}, which is memory: nothing is durable there, name another with --folder`;
  return [
    `${machine.date}, commit ${machine.commit}, Node ${node}`,
    `${cores} cores (${processor}), ${memoryGiB} GiB, load before the start ${load.toFixed(1)}`,
    `data in ${disk}`,
    '',
  ].join('\n');
}

function commit(): string {
  try {
    const cwd = import.meta.dirname;
    const hash = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd, encoding: 'utf8' }).trim();
    const changed = execFileSync('git', ['status', '--porcelain', '--untracked-files=no'], {
      cwd,
      encoding: 'utf8',
    });
    return changed === '' ? hash : `${hash}+`;
  } catch {
    return 'unknown';
  }
}
