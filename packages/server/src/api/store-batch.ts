import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../access/authenticate.ts';
import type { BatchRecord, MissingNamedFile, NewBatch } from '../storage/ports/batch-records.ts';
import { askedTwice } from './asked-twice.ts';
import type { ApiDependencies } from './dependencies.ts';
import { ApiError, fileNotFound, invalidMember } from './errors.ts';
import { limitsOf } from './limits.ts';
import {
  digestOf,
  keyedIdOf,
  keyReused,
  keySpent,
  undeliveredOf,
  watchDelivery,
} from './repeated-creates.ts';

/** A call that creates a batch, and all that tells it from another of its caller's. */
export interface BatchCreate {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly what: readonly unknown[];
}

/**
 * Answers the batch that this create made before, else makes it. `prepare` looks at what may have changed since, such as whether the input
 * is still there, and is not asked where there is a batch.
 * @throws ApiError as `batchMadeBefore` and `storeNewBatch`
 */
export async function storeBatchOnce(
  deps: ApiDependencies,
  create: BatchCreate,
  prepare: () => Promise<NewBatch>,
): Promise<BatchRecord> {
  return (await batchMadeBefore(deps, create)) ?? storeNewBatch(deps, create, await prepare());
}

/**
 * The batch that this create made before, by its `Idempotency-Key` or as an earlier try of the call; null if there is none.
 * @throws ApiError if the key was another create's, or its batch is deleted
 */
export async function batchMadeBefore(
  deps: ApiDependencies,
  { request, reply, what }: BatchCreate,
): Promise<BatchRecord | null> {
  const { database } = deps;
  const { workspaceId } = request.caller;
  const createdAs = digestOf(request, what);
  const keyed = keyedIdOf(request);
  const id = keyed ?? (await undeliveredOf(deps, request, createdAs));
  const batch = id === null ? null : await database.getBatch(workspaceId, id);
  if (batch !== null) {
    checkSame(batch, createdAs);
    watchDelivery(deps, reply, createdAs, batch.id);
  } else if (keyed !== null && (await database.findBatchPlace(workspaceId, keyed)) !== null) {
    throw keySpent();
  }
  return batch;
}

/** @throws ApiError as `storeBatch`, and if another create with the same key came first */
export async function storeNewBatch(
  deps: ApiDependencies,
  { request, reply, what }: BatchCreate,
  batch: NewBatch,
): Promise<BatchRecord> {
  const createdAs = digestOf(request, what);
  const created = await storeBatch(deps, request.caller, { ...batch, createdAs });
  checkSame(created, createdAs);
  watchDelivery(deps, reply, createdAs, created.id);
  return created;
}

/** A batch of an older Bora is taken at its key's word. */
function checkSame({ createdAs: before }: BatchRecord, createdAs: string): void {
  if (before !== null && before !== createdAs) throw keyReused();
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
  const created = await askedTwice(() => database.createBatch(batch, limits, caller.actor));
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
