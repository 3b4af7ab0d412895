import type { OpenAiErrorBody } from '@bora/protocol/openai-errors';
import type { ApiError } from '../errors.ts';
import { shortened } from '../errors.ts';

/** A key of metadata is a part of the parameter's name. */
const MAX_PARAM_LENGTH = 200;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: OpenAiErrorBody;
}

/** Codes of ours that OpenAI's API has under these names, where the error does not say. */
const CODES: Readonly<Partial<Record<ApiError['code'], string>>> = {
  invalid_api_key: 'invalid_api_key',
  unknown_path: 'unknown_url',
  model_not_found: 'model_not_found',
  too_many_pending: 'rate_limit_exceeded',
  too_many_jobs: 'rate_limit_exceeded',
};

/**
 * An error as OpenAI's clients read it. Their SDKs try 409 again, so whatever would be answered the same the next time says that it
 * should not be (measured).
 */
export function openAiAnswer(error: ApiError, requestId: string): Answer {
  const status = error.openAi.status ?? (error.status === 422 ? 400 : error.status);
  const {
    message = sentenceOf(error),
    param = paramOf(error),
    code = CODES[error.code] ?? null,
  } = error.openAi;
  const isFinal = status < 500 && status !== 429 && status !== 408;
  return {
    status,
    headers: { ...error.headers, ...(isFinal ? { 'x-should-retry': 'false' } : {}) },
    body: {
      error: {
        message: shortened(message),
        type: typeOf(status),
        param: param === null ? null : shortened(param, MAX_PARAM_LENGTH),
        code,
      },
      detail: error.body(requestId).detail,
      bora: { code: error.code, request_id: requestId },
    },
  };
}

function typeOf(status: number): string {
  if (status >= 500) return 'server_error';
  return status === 429 ? 'requests' : 'invalid_request_error';
}

function sentenceOf({ detail, message }: ApiError): string {
  if (typeof detail === 'string') return detail;
  return `${detail[0]?.loc.join('.')}: ${message}`;
}

/** The place of the first issue, without the part of the call that it is in. */
function paramOf({ detail }: ApiError): string | null {
  return typeof detail === 'string' ? null : (detail[0]?.loc.slice(1).join('.') ?? null);
}
