import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Config } from '@bora/server/config/config';
import { bytesText } from '../human-text.ts';
import type { Finding } from './finding.ts';

/** So many times what `minFreeBytes` demands is little. */
const LITTLE_ROOM = 2;

/** Whether the folder, or the one in which it would be made, can be written, and how much room its disk has. */
export async function checkFolder({ data, minFreeBytes }: Config): Promise<Finding> {
  const check = 'data folder';
  const isThere = existsSync(data);
  const place = isThere ? data : nearestFolder(data);
  try {
    await access(place, constants.W_OK | constants.X_OK);
  } catch (error) {
    return {
      check,
      state: 'fail',
      detail: `${place} cannot be written: ${(error as Error).message}`,
      whatToDo: 'Give it to the user that runs Bora, or name another folder with --data or BORA_DATA.',
    };
  }
  const { bavail, bsize } = await statfs(place);
  const free = bavail * bsize;
  const room = `${data}${isThere ? '' : ', not there yet and made at the start'}; ${bytesText(free)} free`;
  if (free >= LITTLE_ROOM * minFreeBytes) return { check, state: 'ok', detail: room };
  return {
    check,
    state: free < minFreeBytes ? 'fail' : 'warn',
    detail: `${room}, and nothing is taken or sent below ${bytesText(minFreeBytes)}`,
    whatToDo: 'Make room on its disk, or name a folder on another with --data or BORA_DATA.',
  };
}

/** Who holds the folder. That a Bora does is as it should be. */
export async function checkHolder({ data }: Config): Promise<Finding> {
  const check = 'folder lock';
  try {
    const { dataFolderHolder } = await import('@bora/server/data-folder');
    const holder = dataFolderHolder(data);
    if (holder === null) return { check, state: 'ok', detail: 'free: no Bora runs on the folder' };
    const since = new Date(holder.since).toISOString();
    return {
      check,
      state: 'ok',
      detail: `held by the Bora that runs on it: process ${holder.pid}, since ${since}`,
    };
  } catch (error) {
    return {
      check,
      state: 'fail',
      detail: `${data}/lock.sqlite cannot be read: ${(error as Error).message}`,
      whatToDo: 'Give the folder to the user that runs Bora.',
    };
  }
}

function nearestFolder(path: string): string {
  return existsSync(path) ? path : nearestFolder(dirname(path));
}
