import { randomUUID } from 'node:crypto';
import { createOpenAiUpload } from '@bora/protocol/openai-uploads';
import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Caller } from '../../access/authenticate.ts';
import type { NewUpload, UploadRecord } from '../../storage/ports/upload-records.ts';
import { askedTwice } from '../asked-twice.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { factsOf } from '../files/file-facts.ts';
import { displayName } from '../files/file-names.ts';
import { noRoomFor, roomLeft } from '../files/room-left.ts';
import { readJsonObject } from '../json-body.ts';
import { limitsOf } from '../limits.ts';
import { digestOf, keyedIdOf, keyReused, undeliveredOf, watchDelivery } from '../repeated-creates.ts';
import { asOpenAiFile, purposeFrom } from '../openai/file-fields.ts';
import { validateOpenAi } from '../openai/validation.ts';
import { uploadView } from './upload-view.ts';

/** `POST /v1/uploads`. What cannot become a file is refused before its first part. */
export function createUploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database } = deps;
  app.post('/v1/uploads', { config: { access: 'write' } }, async (request, reply): Promise<OpenAiUpload> => {
    const { caller } = request;
    const given = validateOpenAi(createOpenAiUpload, await readJsonObject(request.raw));
    const purpose = purposeFrom(given.purpose);
    const filename = displayName(given.filename);
    asOpenAiFile(factsOf(caller, filename), purpose, null);
    const upload: NewUpload = {
      id: uploadIdOf(keyedIdOf(request) ?? randomUUID()),
      workspaceId: caller.workspaceId,
      fileId: randomUUID(),
      filename,
      purpose,
      bytes: given.bytes,
      fileExpiresMs: given.expires_after == null ? null : given.expires_after.seconds * 1000,
      createdBy: caller.creator,
    };
    const what = describing(upload);
    const createdAs = digestOf(request, what);
    const created =
      (await madeBefore(deps, request, upload, createdAs)) ?? (await create(deps, caller, upload));
    // One of the same key answers in the place of the new one.
    if (describing(created).some((member, place) => member !== what[place])) throw keyReused();
    watchDelivery(deps, reply, createdAs, created.id);
    const file = await database.getFile(caller.workspaceId, created.fileId, caller.creator);
    return uploadView(created, file);
  });
}

function uploadIdOf(uuid: string): string {
  return `upload_${uuid.replaceAll('-', '')}`;
}

/** The upload of the same `Idempotency-Key`, or that an earlier try of the call made; null if there is none. */
async function madeBefore(
  deps: ApiDependencies,
  request: FastifyRequest,
  { id, workspaceId }: NewUpload,
  createdAs: string,
): Promise<UploadRecord | null> {
  const made = keyedIdOf(request) === null ? await undeliveredOf(deps, request, createdAs) : id;
  return made === null ? null : deps.database.getUpload(workspaceId, made);
}

/** @throws ApiError if there is no room for so many bytes */
async function create(deps: ApiDependencies, caller: Caller, upload: NewUpload): Promise<UploadRecord> {
  const { maxFileBytes } = limitsOf(caller, deps.settings);
  if (upload.bytes > (maxFileBytes ?? Infinity)) throw tooLarge(upload.bytes, maxFileBytes!);
  const room = await roomLeft(deps, caller);
  if (upload.bytes > room) throw noRoomFor(room);
  return askedTwice(() => deps.database.createUpload(upload));
}

/** What tells one upload from another. */
function describing({ filename, purpose, bytes, fileExpiresMs }: NewUpload): readonly unknown[] {
  return [filename, purpose, bytes, fileExpiresMs];
}

function tooLarge(bytes: number, maxBytes: number): ApiError {
  return new ApiError(
    'file_too_large',
    `The file is of ${bytes} bytes, more than ${maxBytes}, the limit of this server. Split it into several files.`,
    {},
    {},
    { param: 'bytes' },
  );
}
