import type { FastifyRequest } from 'fastify';
import type { UploadRecord } from '../../storage/ports/upload-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/**
 * The upload in a call's path.
 * @throws ApiError 404
 */
export async function askedUpload(
  { database }: Pick<ApiDependencies, 'database'>,
  request: FastifyRequest,
): Promise<UploadRecord> {
  const id = uploadIdOf(request);
  const upload = await database.getUpload(request.caller.workspaceId, id);
  if (upload === null) throw uploadNotFound(id);
  return upload;
}

export function uploadIdOf({ params }: FastifyRequest): string {
  return (params as { upload_id: string }).upload_id;
}

/** OpenAI's own words are not published. */
export function uploadNotFound(id: string): ApiError {
  return new ApiError('upload_not_found', `No such Upload object: ${id}`, {}, {}, { param: 'upload_id' });
}

export function uploadEnded({ id, state }: UploadRecord, wanted: string): ApiError {
  return new ApiError('upload_ended', `Upload ${id} is ${state}, so ${wanted}.`);
}
