import type { ErrorBody } from '@bora/protocol/mistral-errors';
import { ResultsGone } from '../batches/partial-results.ts';
import { isDiskFailure, isDiskFull } from '../files/storage-failure.ts';
import { IndexMemoryFull } from '../files/index-memory.ts';
import { UploadInterrupted } from '../files/upload-errors.ts';
import { BlobMissingError } from '../storage/ports/blobs.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import { ERROR_CODES } from './error-codes.ts';
import type { ErrorCode } from './error-codes.ts';

type Detail = ErrorBody['detail'];

/** Of a sentence of an answer: more than any of ours that repeats nothing, or lists models. */
const MAX_TEXT_LENGTH = 2_000;

/** What an error of OpenAI's dialect says beside its sentence. */
export interface OpenAiWords {
  /** The parameter that is wrong. Default: none. */
  readonly param?: string | null;
  /** Default: none. */
  readonly code?: string | null;
  /** In place of the sentence, where clients look for OpenAI's own. */
  readonly message?: string;
  /** In place of the status, where OpenAI's API has another. */
  readonly status?: number;
}
type MoreOfBody = Omit<ErrorBody, 'detail' | 'bora'>;

/** A refusal as the client gets it: status and body, with its permanent code. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly detail: Detail;
  readonly openAi: OpenAiWords;
  readonly #more: MoreOfBody;

  constructor(
    code: ErrorCode,
    detail: Detail,
    more: MoreOfBody = {},
    headers: Record<string, string> = {},
    openAi: OpenAiWords = {},
  ) {
    super(typeof detail === 'string' ? detail : (detail[0]?.msg ?? code));
    this.code = code;
    this.status = ERROR_CODES[code];
    this.headers = headers;
    this.detail = detail;
    this.openAi = openAi;
    this.#more = more;
  }

  body(requestId: string): ErrorBody {
    const detail = typeof this.detail === 'string' ? shortened(this.detail) : this.detail;
    return { detail, ...this.#more, bora: { code: this.code, request_id: requestId } };
  }
}

/** Text of an answer. What it repeats of the call may be a mebibyte, which nobody reads. */
export function shortened(text: string, length = MAX_TEXT_LENGTH): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}

/** One thing wrong with one member, in the list shape of Mistral's 422s. */
export function invalidMember(
  location: readonly (string | number)[],
  message: string,
  type: string,
  code: ErrorCode = 'invalid_request',
): ApiError {
  return new ApiError(code, [{ loc: [...location], msg: message, type }]);
}

export function fileNotFound(fileId: string): ApiError {
  const detail = `No file matches the given query: there is no file ${fileId}.`;
  return new ApiError(
    'file_not_found',
    detail,
    {},
    {},
    { message: `No such File object: ${fileId}`, param: 'id' },
  );
}

/** The wording of the real service (live), which clients look for. */
export function jobNotFound(): ApiError {
  return new ApiError('job_not_found', 'No batch job matches the given query.');
}

export function diskFull(): ApiError {
  return new ApiError(
    'disk_full',
    "The disk of Bora's data folder is full, so nothing was stored. Delete files or jobs, or make room, then try again.",
  );
}

/** What went wrong as a refusal. Causes that are nobody's request become 5xx without their inner message, which only the log gets. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ResultsGone) return jobNotFound();
  if (isDiskFull(error)) return diskFull();
  if (error instanceof DatabaseRefused) return new ApiError('storage_unavailable', error.message);
  if (error instanceof BlobMissingError) return new ApiError('storage_unavailable', error.message);
  if (error instanceof IndexMemoryFull) {
    return new ApiError('too_many_waiting', error.message, {}, { 'retry-after': '5' });
  }
  if (error instanceof UploadInterrupted) return new ApiError('upload_interrupted', error.message);
  if (isDiskFailure(error)) {
    return new ApiError(
      'disk_failed',
      "The disk of Bora's data folder failed, so nothing of this call is sure to last. Try again, and look at the disk if it fails again.",
    );
  }
  return new ApiError('internal_error', 'Internal Server Error. The log tells more under this request id.');
}
