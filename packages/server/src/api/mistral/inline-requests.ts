import { randomUUID } from 'node:crypto';
import type { Caller } from '../../access/authenticate.ts';
import type { CutBody } from '../../bytes/inline-cutter.ts';
import type { FileRecord, LineIndexSummary } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { storeFile } from '../files/store-file.ts';
import { readCreateMembers } from './create-members.ts';
import type { CreateMembers } from './create-members.ts';
import { checkJobInputs } from './job-inputs.ts';

/**
 * Makes the file of a job's inline requests while the call streams in. The members may stand behind the requests, so they are
 * checked behind the last byte, and together with the requests before anything is durable: a refused call leaves no file, nor does one
 * that `beforeChecks` ends, which is told the MD5 of the requests.
 */
export async function storeInlineRequests(
  deps: ApiDependencies,
  caller: Caller,
  batchId: string,
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array, CutBody>,
  beforeChecks: (members: CreateMembers, md5: string) => Promise<void>,
): Promise<{ readonly members: CreateMembers; readonly file: FileRecord }> {
  let members: CreateMembers | undefined;
  async function* lines(): AsyncGenerator<Uint8Array> {
    yield first;
    const body = yield* rest;
    members = readCreateMembers(body.members, body.requests);
  }
  const facts = {
    id: randomUUID(),
    workspaceId: caller.workspaceId,
    filename: `${batchId}_requests.jsonl`,
    purpose: 'batch',
    sampleType: 'batch_request',
    source: 'mistral',
    mimetype: 'application/jsonl',
    visibility: 'workspace',
    expireMs: null,
    createdBy: caller.creator,
  } as const;
  const file = await storeFile(deps, caller, facts, lines(), {
    check: 'index-only',
    settle: async (index, md5) => {
      await beforeChecks(members!, md5);
      refuseBadRequests(index!);
      checkJobInputs(members!, [{ ...facts, lineIndex: index }], deps.upstreams);
      return { facts, check: 'index-only' };
    },
  });
  return { members: members!, file };
}

/** Requests are written one a line, so a line's number less one is the place in `requests`. */
function refuseBadRequests({ badLines, firstBadLines }: LineIndexSummary): void {
  if (badLines === 0) return;
  const listed = firstBadLines.length < badLines ? ` (the first ${firstBadLines.length} are listed)` : '';
  throw new ApiError(
    'invalid_request',
    firstBadLines.map(({ line, message }) => ({
      loc: ['body', 'requests', line - 1],
      msg: message,
      type: 'value_error',
    })),
    { description: `${badLines} of the requests cannot be run${listed}; nothing was started.` },
  );
}
