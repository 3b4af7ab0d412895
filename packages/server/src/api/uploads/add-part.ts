import { randomUUID } from 'node:crypto';
import { MAX_PART_BYTES, MAX_UPLOAD_PARTS } from '@bora/protocol/openai-uploads';
import type { OpenAiUploadPart } from '@bora/protocol/openai-uploads';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { storePart } from '../../files/store-part.ts';
import { PartTooLarge } from '../../files/upload-errors.ts';
import { WorkspaceFull } from '../../storage/ports/file-records.ts';
import type { AddedPart, UploadRecord } from '../../storage/ports/upload-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { seconds } from '../files/file-view.ts';
import type { UploadPart } from '../files/multipart.ts';
import { readMultipart } from '../files/multipart.ts';
import { workspaceFull } from '../files/room-left.ts';
import { underSession } from '../files/under-session.ts';
import { limitsOf } from '../limits.ts';
import { askedUpload, uploadEnded } from './asked-upload.ts';

/** `POST /v1/uploads/{upload_id}/parts`: a form with one part `data`. Parts come in any order, and several at once. */
export function addPartRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post(
    '/v1/uploads/:upload_id/parts',
    { config: { access: 'write' } },
    async (request): Promise<OpenAiUploadPart> => {
      const upload = await askedUpload(deps, request);
      if (upload.state !== 'pending') throw noMoreParts(upload);
      const id = `part_${randomUUID().replaceAll('-', '')}`;
      const added = await readMultipart(
        request.raw,
        (part, fields) => store(deps, request, upload, id, wholeForm(part, fields)),
        'data',
      );
      if (added.kind === 'ended') throw noMoreParts(await askedUpload(deps, request));
      if (added.kind !== 'added') throw tooManyParts();
      return { id, object: 'upload.part', created_at: seconds(added.createdAt), upload_id: upload.id };
    },
  );
}

async function store(
  deps: ApiDependencies,
  { caller }: FastifyRequest,
  { id: uploadId, workspaceId }: UploadRecord,
  id: string,
  source: AsyncIterable<Uint8Array>,
): Promise<AddedPart> {
  const { database, blobs, reachStopPoint, settings } = deps;
  try {
    return await underSession(deps, ({ id: session, names, lost }) =>
      storePart(
        { database, blobs, names, session, reachStopPoint },
        { id, uploadId, workspaceId },
        source,
        {
          maxPartBytes: MAX_PART_BYTES,
          maxParts: MAX_UPLOAD_PARTS,
          maxStoredBytes: limitsOf(caller, settings).maxStoredBytes,
        },
        lost,
      ),
    );
  } catch (error) {
    if (error instanceof WorkspaceFull) throw workspaceFull(error.message);
    if (error instanceof PartTooLarge) {
      throw new ApiError('file_too_large', error.message, {}, {}, { param: 'data' });
    }
    throw error;
  }
}

/** The bytes of the part, which ends only once the form behind it is known to be whole. */
async function* wholeForm({ bytes }: UploadPart, fields: Promise<unknown>): AsyncGenerator<Uint8Array> {
  yield* bytes as AsyncIterable<Uint8Array>;
  await fields;
}

function noMoreParts(upload: UploadRecord): ApiError {
  return uploadEnded(upload, 'no part can be added. Create another one');
}

function tooManyParts(): ApiError {
  return new ApiError(
    'file_too_large',
    `An upload may have at most ${MAX_UPLOAD_PARTS} parts. Send larger ones.`,
    {},
    {},
    { param: 'data' },
  );
}
