/** Codes of errors that the client finds by itself; docs/errors.md lists them beside those of the API (a test compares the two). */
export const CLIENT_ERROR_CODES = [
  'no_answer',
  'unexpected_answer',
  'refused',
  'job_not_visible_yet',
  'job_not_ended',
  'wait_timeout',
  'bad_result_line',
  'path_needs_node',
  'invalid_request',
  'missing_member',
  'no_model',
  'line_too_long',
  'duplicate_custom_id',
  'empty_list',
  'submitted_in_part',
] as const;
export type ClientErrorCode = (typeof CLIENT_ERROR_CODES)[number];

export interface BoraErrorFields {
  /** One of `ClientErrorCode`, or what the server answered. */
  readonly code: string;
  readonly status?: number | null;
  readonly body?: unknown;
  readonly requestId?: string | null;
  readonly retryAfterMs?: number | null;
}

/** A call that did not succeed. All errors of this client are this one or a subclass; an abort rejects with the signal's own reason. */
export class BoraError extends Error {
  override readonly name: string = 'BoraError';
  /** HTTP status; null if no complete answer came, or the error is the client's own. */
  readonly status: number | null;
  /** Permanent code, as docs/errors.md lists them. `refused` if the answer named none: it was not Bora that answered. */
  readonly code: string;
  /** The answer's body: parsed if it is JSON, else its text; null without an answer. */
  readonly body: unknown;
  /** Finds the call in the server's log; null if the server gave none. */
  readonly requestId: string | null;
  /** How long the server asks to wait before the next try; null if it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, fields: BoraErrorFields, options?: ErrorOptions) {
    super(message, options);
    this.status = fields.status ?? null;
    this.code = fields.code;
    this.body = fields.body ?? null;
    this.requestId = fields.requestId ?? null;
    this.retryAfterMs = fields.retryAfterMs ?? null;
  }

  /** Whether the same call may succeed later without a change: no answer, 408, 429 or 5xx. */
  get transient(): boolean {
    if (this.status === null) return this.code === 'no_answer';
    return this.status === 408 || this.status === 429 || this.status >= 500;
  }
}
