import { readFileSync } from 'node:fs';
import { processTree } from './process-tree.ts';

const EVERY_MS = 200;

/** Bytes of physical memory of a process and all that it started: now, and the most that each had so far, added up. */
export function residentBytes(pid: number): { now: number; peak: number } {
  let now = 0;
  let peak = 0;
  for (const each of processTree(pid)) {
    const status = readFileSync(`/proc/${each}/status`, 'utf8');
    now += kibibytes(status, 'VmRSS') * 1024;
    peak += kibibytes(status, 'VmHWM') * 1024;
  }
  return { now, peak };
}

/** Looks at the memory of a process tree five times a second until disposed, and remembers the most. */
export class MemoryWatch implements Disposable {
  readonly #timer: NodeJS.Timeout;
  mostBytes = 0;

  constructor(pid: number) {
    this.#timer = setInterval(() => {
      this.mostBytes = Math.max(this.mostBytes, residentBytes(pid).now);
    }, EVERY_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function kibibytes(status: string, name: 'VmRSS' | 'VmHWM'): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}
