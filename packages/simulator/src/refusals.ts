/** An answer without success, shaped as the server that is known for it shapes it. */
export interface Refusal {
  readonly status: number;
  readonly body: string;
}

/** vLLM since 0.10.1: a nested error with an integer code. */
export function refusal(status: number, type: string, message: string): Refusal {
  return { status, body: JSON.stringify({ error: { message, type, param: null, code: status } }) };
}

export function badRequest(message: string): Refusal {
  return refusal(400, 'BadRequestError', message);
}

export function unknownModel(model: string): Refusal {
  return refusal(404, 'NotFoundError', `The model \`${model}\` does not exist.`);
}

export function refusedForLoad(status: 429 | 503): Refusal {
  return status === 429
    ? refusal(429, 'RateLimitError', 'Too many requests. Please try again later.')
    : refusal(503, 'ServiceUnavailableError', 'The server is overloaded. Please try again later.');
}

/** OpenAI, whose 429 may mean that no wait will help. */
export const QUOTA_USED_UP: Refusal = {
  status: 429,
  body: JSON.stringify({
    error: {
      message: 'You exceeded your current quota.',
      type: 'insufficient_quota',
      code: 'insufficient_quota',
    },
  }),
};

export const NOT_ALLOWED = refusal(403, 'PermissionDeniedError', 'This request is not allowed.');

/** TGI: a flat error. */
export const QUEUE_FULL: Refusal = {
  status: 429,
  body: JSON.stringify({ error: 'Model is overloaded', error_type: 'overloaded' }),
};

export const INTERNAL_ERROR = refusal(500, 'InternalServerError', 'Internal server error');
export const WRONG_KEY: Refusal = { status: 401, body: JSON.stringify({ error: 'Unauthorized' }) };
/** FastAPI, which stands before vLLM. */
export const NO_SUCH_PATH: Refusal = { status: 404, body: JSON.stringify({ detail: 'Not Found' }) };
export const WRONG_METHOD: Refusal = { status: 405, body: JSON.stringify({ detail: 'Method Not Allowed' }) };

/** What a proxy without a back end says. */
export const GARBAGE =
  '<html>\n<head><title>Welcome</title></head>\n<body><h1>It works</h1></body>\n</html>\n';
