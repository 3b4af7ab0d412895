import type { Caller } from '../../access/authenticate.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { limitsOf } from '../limits.ts';

/**
 * Bytes that the caller's workspace may still store, so that an upload that cannot fit ends as early as it can. The transaction that
 * makes the file counts again: others may upload meanwhile.
 */
export async function roomLeft(
  { database, settings }: Pick<ApiDependencies, 'database' | 'settings'>,
  caller: Caller,
): Promise<number> {
  const { maxStoredBytes } = limitsOf(caller, settings);
  if (maxStoredBytes === null) return Infinity;
  const usage = await database.workspaceUsage(caller.workspaceId);
  return Math.max(0, maxStoredBytes - (usage?.storedBytes ?? 0));
}

export function noRoomFor(room: number): ApiError {
  return workspaceFull(`The workspace has room for ${room} more bytes, and the file is larger.`);
}

export function workspaceFull(why: string): ApiError {
  return new ApiError('workspace_full', `${why} Delete files that are not needed, or ask an admin for more.`);
}
