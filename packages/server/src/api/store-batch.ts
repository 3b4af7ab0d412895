import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../access/authenticate.ts';
import type { BatchRecord, MissingNamedFile, NewBatch } from '../storage/ports/batch-records.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError, fileNotFound, invalidMember } from './errors.ts';
import { limitsOf } from './limits.ts';
import { keyReused } from './repeated-creates.ts';
import type { RepeatedCreates } from './repeated-creates.ts';

/** A call that creates a batch, and what was made of those before it. */
export interface CreateCall {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly repeated: RepeatedCreates;
}

/**
 * Creates a batch, or answers the one that an earlier try of the call made (`RepeatedCreates`), or one of the same `Idempotency-Key`, from
 * which the batch has its id.
 * @throws ApiError as `storeBatch`, and if the key was another batch's
 */
export async function storeBatchOnce(
  deps: ApiDependencies,
  { request, reply, repeated }: CreateCall,
  batch: NewBatch,
): Promise<BatchRecord> {
  const { caller } = request;
  const what = await describing(deps, batch);
  const undelivered = repeated.take(request, what);
  const before = undelivered === null ? null : await deps.database.getBatch(caller.workspaceId, undelivered);
  const created = before ?? (await storeBatch(deps, caller, batch));
  if (JSON.stringify(await describing(deps, created)) !== JSON.stringify(what)) throw keyReused();
  repeated.watch(request, reply, what, created.id);
  return created;
}

/** What tells one batch from another. Inline requests are a file of their own each time, and are told by what it holds. */
async function describing(
  { database }: ApiDependencies,
  batch: NewBatch | BatchRecord,
): Promise<readonly unknown[]> {
  const { workspaceId, dialect, endpoint, model, metadata, inline, inputFileIds, createdBy } = batch;
  const { completionWindow = null, isLenient = false, resultsExpireMs = null } = batch;
  const input = inline
    ? (await database.getFile(workspaceId, inputFileIds[0], createdBy))?.signature
    : inputFileIds;
  return [dialect, endpoint, model, metadata, completionWindow, isLenient, resultsExpireMs, input];
}

/**
 * Creates a batch within the limits of the caller's workspace.
 * @throws ApiError if an input or a file that its lines name is not there, or a limit is reached
 */
async function storeBatch(
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
