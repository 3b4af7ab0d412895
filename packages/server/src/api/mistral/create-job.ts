import { randomUUID } from 'node:crypto';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { Caller } from '../../access/authenticate.ts';
import type { CutBody } from '../../bytes/inline-cutter.ts';
import { fileMemberOf } from '../../bytes/named-files.ts';
import type { BatchRecord, NewBatch } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, fileNotFound } from '../errors.ts';
import { storeBatch } from '../store-batch.ts';
import { readCreateBody } from './create-body.ts';
import { readCreateMembers } from './create-members.ts';
import type { CreateMembers } from './create-members.ts';
import { storeInlineRequests } from './inline-requests.ts';
import { checkJobInputs } from './job-inputs.ts';
import type { JobInput } from './job-inputs.ts';
import { jobView } from './job-view.ts';

const HOUR_MS = 60 * 60 * 1000;

/**
 * `POST /v1/batch/jobs`, over uploaded files or inline requests. Whatever could only fail is refused whole, before anything is sent;
 * no upstream being reachable is no reason to refuse.
 */
export function createJobRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post('/v1/batch/jobs', { config: { access: 'write' } }, async (request): Promise<BatchJob> => {
    const { caller } = request;
    const id = randomUUID();
    await using body = readCreateBody(request.raw, deps.settings, deps.memory);
    const first = await body.next();

    const batch =
      first.done === true
        ? await createFromFiles(deps, caller, id, first.value)
        : await createFromRequests(deps, caller, id, first.value, body);
    deps.log.info(
      { batch: id, endpoint: batch.endpoint, model: batch.model, requests: batch.totalRequests },
      'took a job',
    );
    return jobView(batch, deps);
  });
}

async function createFromFiles(
  deps: ApiDependencies,
  caller: Caller,
  id: string,
  body: CutBody,
): Promise<BatchRecord> {
  const members = readCreateMembers(body.members, body.requests);
  const inputs: JobInput[] = [];
  for (const fileId of members.inputFileIds ?? []) {
    const file = await deps.database.getFile(caller.workspaceId, fileId, caller.creator);
    if (file === null) throw fileNotFound(fileId);
    inputs.push(file);
  }
  return createBatch(deps, caller, id, members, inputs);
}

async function createFromRequests(
  deps: ApiDependencies,
  caller: Caller,
  id: string,
  firstRequest: Uint8Array,
  body: AsyncGenerator<Uint8Array, CutBody>,
): Promise<BatchRecord> {
  const { members, file } = await storeInlineRequests(deps, caller, id, firstRequest, body);
  try {
    return await createBatch(deps, caller, id, members, [file]);
  } catch (error) {
    // Only where it is certain that no batch reads the file: any other failure may have come after the commit.
    if (error instanceof ApiError) await deps.database.deleteFile(caller.workspaceId, file.id, caller.actor);
    throw error;
  }
}

function createBatch(
  deps: ApiDependencies,
  caller: Caller,
  id: string,
  members: CreateMembers,
  inputs: readonly JobInput[],
): Promise<BatchRecord> {
  const work = checkJobInputs(members, inputs, deps.upstreams);
  const batch: NewBatch = {
    id,
    workspaceId: caller.workspaceId,
    dialect: 'mistral',
    endpoint: members.endpoint,
    model: members.model,
    agentId: null,
    metadata: members.metadata,
    timeoutMs: Math.max(members.timeoutHours * HOUR_MS, deps.settings.leastTimeoutMs),
    completionWindow: `${members.timeoutHours}h`,
    inputFileIds: inputs.map((input) => input.id),
    fileMember: fileMemberOf(members.endpoint),
    inline: members.inputFileIds === null,
    totalRequests: work.totalRequests,
    routes: work.routes,
    priority: 0,
    createdBy: caller.creator,
  };
  return storeBatch(deps, caller, batch);
}
