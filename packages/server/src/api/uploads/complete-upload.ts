import { completeOpenAiUpload, MAX_UPLOAD_PARTS } from '@bora/protocol/openai-uploads';
import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { completeUpload } from '../../files/complete-upload.ts';
import type { SettledUpload } from '../../files/ingest.ts';
import { TooManyLines, UnknownPart, WrongContent } from '../../files/upload-errors.ts';
import type { UploadRecord } from '../../storage/ports/upload-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { factsOf } from '../files/file-facts.ts';
import { underSession } from '../files/under-session.ts';
import { readJsonObject } from '../json-body.ts';
import { limitsOf } from '../limits.ts';
import { asOpenAiFile, purposeFrom } from '../openai/file-fields.ts';
import { invalidParameter, validateOpenAi } from '../openai/validation.ts';
import { askedUpload, uploadEnded, uploadNotFound } from './asked-upload.ts';
import { uploadView } from './upload-view.ts';

/** Enough for the ids of as many parts as there may be, spread over lines. */
const MAX_BODY_BYTES = MAX_UPLOAD_PARTS * 64;

/**
 * `POST /v1/uploads/{upload_id}/complete`: the parts in the order given become a file. Asked again with the same parts it answers the same,
 * so whoever missed the answer may ask for it.
 */
export function completeUploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  /** A large file takes long to read, and clients try again meanwhile: they wait for the same reading. */
  const underWay = new Map<string, Promise<UploadRecord>>();
  const completeOnce = (
    request: FastifyRequest,
    upload: UploadRecord,
    given: z.output<typeof completeOpenAiUpload>,
  ): Promise<UploadRecord> => {
    const name = JSON.stringify([upload.id, given.part_ids, given.md5]);
    const begun = underWay.get(name) ?? complete(deps, request, upload, given);
    underWay.set(name, begun);
    return begun.finally(() => underWay.delete(name));
  };
  app.post(
    '/v1/uploads/:upload_id/complete',
    { config: { access: 'write' } },
    async (request): Promise<OpenAiUpload> => {
      const { workspaceId, creator } = request.caller;
      const asked = await askedUpload(deps, request);
      const given = validateOpenAi(completeOpenAiUpload, await readJsonObject(request.raw, MAX_BODY_BYTES));
      checkParts(given.part_ids);
      const upload = asked.state === 'pending' ? await completeOnce(request, asked, given) : asked;
      if (upload.state !== 'completed' || !sameIds(upload.partIds ?? [], given.part_ids)) {
        const wanted = upload.state === 'completed' ? 'other parts cannot make it' : 'it cannot be completed';
        throw uploadEnded(upload, `${wanted}. Create another one`);
      }
      return uploadView(upload, await deps.database.getFile(workspaceId, upload.fileId, creator));
    },
  );
}

async function complete(
  deps: ApiDependencies,
  { caller }: FastifyRequest,
  upload: UploadRecord,
  { part_ids: partIds, md5 }: z.output<typeof completeOpenAiUpload>,
): Promise<UploadRecord> {
  const { database, blobs, indexer, memory, reachStopPoint, settings, metrics, log } = deps;
  try {
    const completed = await underSession(deps, ({ id: session, names, lost }) =>
      completeUpload(
        { database, blobs, names, session, indexer, reachStopPoint },
        upload,
        partIds,
        fileOf(upload),
        {
          md5: md5?.toLowerCase() ?? null,
          maxLines: limitsOf(caller, settings).maxFileLines ?? Infinity,
          maxLineBytes: settings.maxLineBytes,
          holdLines: (content) => memory.holdLines(content, settings.maxLineBytes),
          by: caller.actor,
        },
        lost,
      ),
    );
    if (completed === null) throw uploadNotFound(upload.id);
    metrics.uploadedBytes.inc(upload.bytes);
    log.info({ file: upload.fileId, upload: upload.id, bytes: upload.bytes }, 'took an upload in parts');
    return completed;
  } catch (error) {
    if (error instanceof UnknownPart) {
      // The upload may have been completed or ended since it was looked at, and has no parts any more.
      const now = await database.getUpload(upload.workspaceId, upload.id);
      if (now !== null && now.state !== 'pending') return now;
      throw wrongParts(error.message, 'part_ids');
    }
    if (error instanceof WrongContent) throw wrongParts(error.message, 'part_ids');
    if (error instanceof TooManyLines) throw new ApiError('file_too_large', error.message);
    throw error;
  }
}

/** The file that the upload becomes, as its creator described it. */
function fileOf(upload: UploadRecord): SettledUpload {
  const { workspaceId, createdBy: creator, fileExpiresMs } = upload;
  const facts = { ...factsOf({ workspaceId, creator }, upload.filename), id: upload.fileId };
  return asOpenAiFile(facts, purposeFrom(upload.purpose), fileExpiresMs);
}

function checkParts(partIds: readonly string[]): void {
  const twice = partIds.find((id, place) => partIds.indexOf(id) !== place);
  if (twice === undefined) return;
  throw invalidParameter(
    `Invalid 'part_ids': ${JSON.stringify(twice)} is in it twice.`,
    'part_ids',
    'invalid_value',
  );
}

function sameIds(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((id, place) => id === others[place]);
}

function wrongParts(message: string, param: string): ApiError {
  return new ApiError('wrong_parts', message, {}, {}, { param, code: 'invalid_value' });
}
