import { randomUUID } from 'node:crypto';
import { createOpenAiUpload } from '@bora/protocol/openai-uploads';
import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import type { FastifyInstance } from 'fastify';
import type { Database } from '../../storage/ports/database.ts';
import { DatabaseRefused } from '../../storage/ports/database.ts';
import type { NewUpload, UploadRecord } from '../../storage/ports/upload-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { factsOf } from '../files/file-facts.ts';
import { displayName } from '../files/file-names.ts';
import { noRoomFor, roomLeft } from '../files/room-left.ts';
import { readJsonObject } from '../json-body.ts';
import { limitsOf } from '../limits.ts';
import { createdIdOf, keyReused, RepeatedCreates } from '../repeated-creates.ts';
import { asOpenAiFile, purposeFrom } from '../openai/file-fields.ts';
import { validateOpenAi } from '../openai/validation.ts';
import { uploadView } from './upload-view.ts';

/** `POST /v1/uploads`. What cannot become a file is refused before its first part. */
export function createUploadRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database, settings } = deps;
  const repeated = new RepeatedCreates(deps.clock);
  app.post('/v1/uploads', { config: { access: 'write' } }, async (request, reply): Promise<OpenAiUpload> => {
    const { caller } = request;
    const given = validateOpenAi(createOpenAiUpload, await readJsonObject(request.raw));
    const purpose = purposeFrom(given.purpose);
    const filename = displayName(given.filename);
    asOpenAiFile(factsOf(caller, filename), purpose, null);

    const { maxFileBytes } = limitsOf(caller, settings);
    if (given.bytes > (maxFileBytes ?? Infinity)) throw tooLarge(given.bytes, maxFileBytes!);
    const room = await roomLeft(deps, caller);
    if (given.bytes > room) throw noRoomFor(room);

    const upload: NewUpload = {
      id: `upload_${createdIdOf(request).replaceAll('-', '')}`,
      workspaceId: caller.workspaceId,
      fileId: randomUUID(),
      filename,
      purpose,
      bytes: given.bytes,
      fileExpiresMs: given.expires_after == null ? null : given.expires_after.seconds * 1000,
      createdBy: caller.creator,
    };
    const what = describing(upload);
    const undelivered = repeated.take(request, what);
    const before = undelivered === null ? null : await database.getUpload(caller.workspaceId, undelivered);
    const created = before ?? (await create(database, upload));
    // One of the same key answers in the place of the new one.
    if (describing(created).some((member, place) => member !== what[place])) throw keyReused();
    repeated.watch(request, reply, what, created.id);
    const file = await database.getFile(caller.workspaceId, created.fileId, caller.creator);
    return uploadView(created, file);
  });
}

/** A rejection does not say whether the upload was made; asking once more does. */
function create(database: Database, upload: NewUpload): Promise<UploadRecord> {
  return database.createUpload(upload).catch((error: unknown) => {
    if (error instanceof DatabaseRefused) throw error;
    return database.createUpload(upload);
  });
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
