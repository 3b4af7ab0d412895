import { randomUUID } from 'node:crypto';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { Caller } from '../../access/authenticate.ts';
import type { CutBody } from '../../bytes/inline-cutter.ts';
import { fileMemberOf } from '../../bytes/named-files.ts';
import type { BatchRecord, NewBatch } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, fileNotFound } from '../errors.ts';
import { keyedIdOf, MadeBefore } from '../repeated-creates.ts';
import { batchMadeBefore, storeBatchOnce, storeNewBatch } from '../store-batch.ts';
import type { BatchCreate } from '../store-batch.ts';
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
  app.post('/v1/batch/jobs', { config: { access: 'write' } }, async (request, reply): Promise<BatchJob> => {
    const call = { request, reply };
    const id = keyedIdOf(request) ?? randomUUID();
    await using body = readCreateBody(request.raw, deps.settings, deps.memory);
    const first = await body.next();

    const batch =
      first.done === true
        ? await createFromFiles(deps, call, id, first.value)
        : await createFromRequests(deps, call, id, first.value, body);
    deps.log.info(
      { batch: batch.id, endpoint: batch.endpoint, model: batch.model, requests: batch.totalRequests },
      'took a job',
    );
    return jobView(batch, deps);
  });
}

type CreateCall = Omit<BatchCreate, 'what'>;

async function createFromFiles(
  deps: ApiDependencies,
  call: CreateCall,
  id: string,
  body: CutBody,
): Promise<BatchRecord> {
  const { caller } = call.request;
  const members = readCreateMembers(body.members, body.requests);
  return storeBatchOnce(deps, { ...call, what: [members] }, async () => {
    const inputs: JobInput[] = [];
    for (const fileId of members.inputFileIds ?? []) {
      const file = await deps.database.getFile(caller.workspaceId, fileId, caller.creator);
      if (file === null) throw fileNotFound(fileId);
      inputs.push(file);
    }
    return batchOf(deps, caller, id, members, inputs);
  });
}

async function createFromRequests(
  deps: ApiDependencies,
  call: CreateCall,
  id: string,
  firstRequest: Uint8Array,
  body: AsyncGenerator<Uint8Array, CutBody>,
): Promise<BatchRecord> {
  const { caller } = call.request;
  let create: BatchCreate = { ...call, what: [] };
  const storing = storeInlineRequests(deps, caller, id, firstRequest, body, async (members, md5) => {
    create = { ...call, what: [members, md5] };
    const made = await batchMadeBefore(deps, create);
    if (made !== null) throw new MadeBefore(made);
  });
  const stored = await storing.catch((error: unknown) => {
    if (error instanceof MadeBefore) return error as MadeBefore<BatchRecord>;
    throw error;
  });
  if (stored instanceof MadeBefore) return stored.made;

  const { members, file } = stored;
  const discard = (): Promise<unknown> => deps.database.deleteFile(caller.workspaceId, file.id, caller.actor);
  try {
    const batch = await storeNewBatch(deps, create, batchOf(deps, caller, id, members, [file]));
    // The job was there, with its own.
    if (!batch.inputFileIds.includes(file.id)) await discard();
    return batch;
  } catch (error) {
    // Only where it is certain that no batch reads the file: any other failure may have come after the commit.
    if (error instanceof ApiError) await discard();
    throw error;
  }
}

function batchOf(
  { upstreams, settings }: ApiDependencies,
  caller: Caller,
  id: string,
  members: CreateMembers,
  inputs: readonly JobInput[],
): NewBatch {
  const work = checkJobInputs(members, inputs, upstreams);
  return {
    id,
    workspaceId: caller.workspaceId,
    dialect: 'mistral',
    endpoint: members.endpoint,
    model: members.model,
    agentId: null,
    metadata: members.metadata,
    timeoutMs: Math.max(members.timeoutHours * HOUR_MS, settings.leastTimeoutMs),
    completionWindow: `${members.timeoutHours}h`,
    inputFileIds: inputs.map((input) => input.id),
    fileMember: fileMemberOf(members.endpoint),
    inline: members.inputFileIds === null,
    totalRequests: work.totalRequests,
    routes: work.routes,
    priority: 0,
    createdBy: caller.creator,
  };
}
