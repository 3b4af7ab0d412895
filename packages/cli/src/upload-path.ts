import type { BoraClient } from '@bora/client';
import type { UploadOptions } from '@bora/client/files';
import type { MistralFile } from '@bora/protocol/mistral-files';
import { CliError } from './cli-error.ts';
import { EXIT } from './exit-codes.ts';

/** What Node says of a path that is no file that can be read. */
const UNREADABLE = ['ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR', 'ERR_INVALID_ARG_VALUE'];

/**
 * Uploads a file of this machine.
 * @throws CliError if it cannot be read; BoraError
 */
export async function uploadPath(
  client: BoraClient,
  path: string,
  options: UploadOptions,
  signal: AbortSignal,
): Promise<MistralFile> {
  try {
    return await client.files.upload({ path }, options, signal);
  } catch (error) {
    throw isUnreadable(error) ? cannotRead(path, error) : error;
  }
}

/** The error for a path that cannot be read. */
export function cannotRead(path: string, cause: Error): CliError {
  return new CliError(
    `Cannot read ${path}.`,
    { exitCode: EXIT.usage, why: cause.message, whatToDo: 'Look at the path and at who may read it.' },
    { cause },
  );
}

export function isUnreadable(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && UNREADABLE.includes(String(error.code));
}
