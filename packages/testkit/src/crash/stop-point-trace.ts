import { existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { STOP_POINTS, type StopPoint } from '@bora/server/observe/stop-points';

const WIDTH = Math.max(...STOP_POINTS.map((point) => point.length));

/**
 * Leaves the name of the stop point passed last in a file, which outlives SIGKILL: what was written to a file lies in the system's
 * memory, not in that of the process. Several threads may write to one file.
 */
export function openTrace(file: string): (point: StopPoint) => void {
  const handle = openSync(file, existsSync(file) ? 'r+' : 'w+');
  return (point) => {
    writeSync(handle, point.padEnd(WIDTH), 0);
  };
}

/** Null if none was passed. */
export function lastPointIn(file: string): StopPoint | null {
  const name = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return STOP_POINTS.find((point) => point === name) ?? null;
}
