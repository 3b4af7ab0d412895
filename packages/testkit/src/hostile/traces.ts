import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

/** What a call could leave behind in a data folder. */
export interface Traces {
  /** Of blobs, finished or not. */
  readonly files: number;
  /** Handles of this process on them, where the system tells. */
  readonly handles: number;
}

export function tracesIn(dataFolder: string): Traces {
  const blobs = join(dataFolder, 'blobs');
  const entries = existsSync(blobs) ? readdirSync(blobs, { recursive: true, withFileTypes: true }) : [];
  return { files: entries.filter((entry) => entry.isFile()).length, handles: handlesOn(blobs) };
}

/** Looks until the folder is as `wanted`, as long as a test may take: a client that leaves is not told when it was tidied up behind it. */
export async function tracesBecome(dataFolder: string, wanted: Traces): Promise<void> {
  for (;;) {
    const { files, handles } = tracesIn(dataFolder);
    if (files === wanted.files && handles === wanted.handles) return;
    await setTimeout(5);
  }
}

function handlesOn(folder: string): number {
  const own = '/proc/self/fd';
  if (!existsSync(own)) return 0;
  return readdirSync(own).filter((handle) => targetOf(join(own, handle)).startsWith(folder)).length;
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // The handle with which the folder was read is closed by now.
    return '';
  }
}
