import type { FastifyRequest } from 'fastify';
import { dialectOf } from '../dialect.ts';
import { fileNotFound } from '../errors.ts';
import { fileIdOf } from '../path-ids.ts';

/**
 * The id of the file in a call's path. To OpenAI's clients ids are words, so one that is none of Bora's is a file that is not there.
 * @throws ApiError 404, in Mistral's dialect 422
 */
export function askedFileId(request: FastifyRequest): string {
  try {
    return fileIdOf(request.params);
  } catch (error) {
    if (dialectOf(request) === 'mistral') throw error;
    throw fileNotFound((request.params as { file_id: string }).file_id);
  }
}
