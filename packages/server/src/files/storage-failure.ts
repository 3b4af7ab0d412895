import { DiskError } from '../storage/ports/disk.ts';

/** `ENOSPC` of the blob store, or SQLite's `SQLITE_FULL`, at whatever depth it was wrapped. */
export function isDiskFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = (cause as { code?: unknown }).code;
    if (code === 'SQLITE_FULL' || (cause instanceof DiskError && ['ENOSPC', 'EDQUOT'].includes(cause.code))) {
      return true;
    }
  }
  return false;
}

/** Any other failure of the disk, under a blob or under SQLite. */
export function isDiskFailure(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = String((cause as { code?: unknown }).code);
    if (cause instanceof DiskError || code.startsWith('SQLITE_IOERR')) return true;
  }
  return false;
}

/** Why something could not be stored, for people. */
export function whyNotStored(error: unknown): string {
  if (isDiskFull(error)) {
    return 'no room is left on the disk of the data folder. Delete files or jobs, or make room.';
  }
  return error instanceof Error ? error.message : String(error);
}
