import { ApiError } from '../errors.ts';
import { jobIdFrom } from '../path-ids.ts';

/**
 * The id of a batch, in its one spelling inside; both that it has outside are taken.
 * @throws ApiError 404 if it is neither
 */
export function batchIdOf(text: string): string {
  try {
    return jobIdFrom(text, ['path', 'batch_id']);
  } catch {
    throw batchNotFound(text);
  }
}

/** OpenAI's own words are not published. */
export function batchNotFound(id: string): ApiError {
  return new ApiError('job_not_found', `No batch found with id '${id}'.`);
}
