import { readFileSync } from 'node:fs';
import { processTree, statFields, threadsOf } from './process-tree.ts';

/** Linux counts processor time in hundredths of a second, on every architecture that it shows to programs. */
const MS_PER_TICK = 10;

/** Milliseconds of processor time, user and system, of a process and all that it started, ended children included. */
export function treeCpuMs(pid: number): number {
  return processTree(pid).reduce((sum, each) => sum + cpuMs(`/proc/${each}/stat`, 4), 0);
}

/** Milliseconds of processor time of the thread that runs the event loop. */
export function mainThreadCpuMs(pid: number): number {
  return cpuMs(`/proc/${pid}/task/${pid}/stat`, 2);
}

/** Milliseconds of processor time of each other thread, the busiest first. */
export function otherThreadsCpuMs(pid: number): { name: string; ms: number }[] {
  return threadsOf(pid)
    .filter((thread) => thread !== pid)
    .map((thread) => ({
      name: readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim(),
      ms: cpuMs(`/proc/${pid}/task/${thread}/stat`, 2),
    }))
    .toSorted((a, b) => b.ms - a.ms);
}

/** Milliseconds that all cores together were busy since the machine started, whoever used them. */
export function machineBusyMs(): number {
  const [line] = readFileSync('/proc/stat', 'utf8').split('\n');
  const [user, nice, system, , , irq, softirq, steal] = line.split(/ +/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) * MS_PER_TICK;
}

/** Fields 14 to 17 of proc(5): user and system time, then those of ended children. */
function cpuMs(stat: string, fields: 2 | 4): number {
  return (
    statFields(stat)
      .slice(11, 11 + fields)
      .reduce((sum, ticks) => sum + Number(ticks), 0) * MS_PER_TICK
  );
}
