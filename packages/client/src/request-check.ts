import { madeCustomId } from './custom-id-clash.ts';
import type { BatchEndpoint } from './job-types.ts';
import type { BatchRequest } from './request-builders.ts';

/** What the server would find wrong as well, found before anything is sent. */
export interface RequestProblem {
  /** Place of the request in the list, from 0. */
  readonly place: number;
  readonly customId: string | null;
  readonly code: RequestProblemCode;
  readonly message: string;
}

export type RequestProblemCode =
  | 'invalid_request'
  /** A `body` without what its endpoint needs. */
  | 'missing_member'
  /** Neither the job nor the `body` names a model. */
  | 'no_model'
  | 'duplicate_custom_id'
  | 'line_too_long';

/** What requests are for: the members of their job that say what they must hold. */
export interface RequestTarget {
  readonly endpoint: BatchEndpoint;
  /** Stands in for bodies that name no model. */
  readonly model?: string | null | undefined;
}

/** What a body must have beside the model; of several names one is enough. */
export const REQUIRED_MEMBERS: Readonly<Record<BatchEndpoint, readonly string[]>> = {
  '/v1/chat/completions': ['messages'],
  '/v1/fim/completions': ['prompt'],
  '/v1/embeddings': ['input'],
  '/v1/moderations': ['input'],
  '/v1/chat/moderations': ['input'],
  '/v1/classifications': ['input'],
  '/v1/chat/classifications': ['input'],
  '/v1/ocr': ['document'],
  '/v1/conversations': ['inputs'],
  '/v1/audio/transcriptions': ['file_url', 'file_id'],
};

/** A request as its line, or what is wrong with it. Lists come from anybody's code, so nothing about `request` is taken for granted. */
export function lineOf(
  request: BatchRequest,
  place: number,
  { endpoint, model }: RequestTarget,
): { readonly customId: string; readonly text: string } | RequestProblem {
  const problem = (code: RequestProblemCode, message: string): RequestProblem => ({
    place,
    customId: typeof request?.custom_id === 'string' ? request.custom_id : null,
    code,
    message: `Request ${place}: ${message}`,
  });
  const { body, custom_id: given } = isObject(request) ? request : { body: null, custom_id: null };
  if (!isObject(body)) return problem('invalid_request', 'It has no "body" that is an object.');
  if (given !== undefined && given !== null && typeof given !== 'string')
    return problem('invalid_request', 'Its "custom_id" is no string.');
  const names: readonly string[] = REQUIRED_MEMBERS[endpoint] ?? [];
  if (names.length > 0 && !names.some((name) => (body[name] ?? null) !== null))
    return problem(
      'missing_member',
      `Its body lacks ${names.map((name) => `"${name}"`).join(' or ')}, which ${endpoint} needs.`,
    );
  if ((model ?? null) === null && typeof body['model'] !== 'string')
    return problem('no_model', 'Neither the job nor its body names a model.');
  const customId = given ?? madeCustomId(place);
  try {
    return { customId, text: JSON.stringify({ custom_id: customId, body }) };
  } catch (error) {
    return problem('invalid_request', `It cannot be written as JSON. ${(error as Error).message}`);
  }
}

export function isProblem(line: object): line is RequestProblem {
  return 'message' in line;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
