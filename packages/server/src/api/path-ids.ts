import { invalidMember } from './errors.ts';

const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/**
 * The id of a file in a path, in its one spelling.
 * @throws ApiError 422 if it is no UUID
 */
export function fileIdOf(params: unknown): string {
  return uuidOf((params as { file_id: string }).file_id, ['path', 'file_id']);
}

/**
 * The id of a job in a path; `batch_<hex>`, OpenAI's spelling of the same batch, is accepted as well.
 * @throws ApiError 422 if it is neither
 */
export function jobIdOf(params: unknown): string {
  return jobIdFrom((params as { job_id: string }).job_id, ['path', 'job_id']);
}

/** The same for a text that stands elsewhere. */
export function jobIdFrom(text: string, location: readonly string[]): string {
  return uuidOf(text.replace(/^batch_/, ''), location);
}

function uuidOf(text: string, location: readonly string[]): string {
  if (!UUID.test(text)) {
    throw invalidMember(
      location,
      `Input should be a valid UUID, but is ${JSON.stringify(text)}`,
      'uuid_parsing',
    );
  }
  const hex = text.toLowerCase().replaceAll('-', '');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
