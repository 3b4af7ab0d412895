import type { Caller } from '../access/authenticate.ts';
import type { BatchRecord, MissingNamedFile, NewBatch } from '../storage/ports/batch-records.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError, fileNotFound, invalidMember } from './errors.ts';
import { limitsOf } from './limits.ts';

/**
 * Creates a batch within the limits of the caller's workspace.
 * @throws ApiError if an input or a file that its lines name is not there, or a limit is reached
 */
export async function storeBatch(
  { database, settings }: ApiDependencies,
  caller: Caller,
  batch: NewBatch,
): Promise<BatchRecord> {
  const limits = limitsOf(caller, settings);
  const created = await database.createBatch(batch, limits, caller.actor).catch((error: unknown) => {
    // A rejection does not say whether the batch was made, and asking once more with its id does.
    if (error instanceof DatabaseRefused) throw error;
    return database.createBatch(batch, limits, caller.actor);
  });
  if (created.kind === 'created') return created.batch;
  if (created.kind === 'missing-file') throw fileNotFound(created.fileId);
  if (created.kind === 'missing-named-file') throw namedFileNotFound(created, batch);
  if (created.kind === 'too-many-active') {
    throw new ApiError(
      'too_many_jobs',
      `The workspace has ${created.active} unfinished jobs and may have ${created.limit}. Wait for one to finish, or cancel one.`,
    );
  }
  throw new ApiError(
    'too_many_pending',
    `The workspace has ${created.pending} unfinished requests, and with this job it would have more than ${created.limit}. ` +
      'Wait for jobs to finish, or cancel some.',
  );
}

function namedFileNotFound(
  { inputFileId, line, fileId, missing }: MissingNamedFile,
  { inline, fileMember }: NewBatch,
): ApiError {
  const id = JSON.stringify(fileId);
  const others = missing === 1 ? '' : ` So it is with ${missing} of the files that are named.`;
  const advice = 'Upload it to this workspace first, or correct the id. Nothing was sent.';
  if (!inline) {
    return new ApiError(
      'named_file_not_found',
      `Line ${line} of file ${inputFileId} names a file in "${fileMember}" that is not there: ${id}.${others} ${advice}`,
    );
  }
  const location = ['body', 'requests', line - 1, 'body', ...fileMember!.split('.')];
  const message = `There is no file ${id}.${others} ${advice}`;
  return invalidMember(location, message, 'value_error', 'named_file_not_found');
}
