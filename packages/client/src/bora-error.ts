import type { ErrorBody, ValidationIssue } from '@bora/protocol/mistral-errors';

/** How many bad lines a message names; the rest is in `body`. */
const LINES_SHOWN = 5;

interface BoraErrorFields {
  readonly status: number | null;
  readonly code: string | null;
  readonly body: unknown;
  readonly requestId: string | null;
  readonly retryAfterMs: number | null;
}

/** A call that did not succeed: the server refused it (`status` is set), or no complete answer came (`status` is null). */
export class BoraError extends Error {
  override readonly name = 'BoraError';
  /** HTTP status; null if the server could not be reached or the connection broke. */
  readonly status: number | null;
  /** Permanent code of the error, as docs/errors.md lists them; null if the server gave none. */
  readonly code: string | null;
  /** The answer's body: parsed if it is JSON, else its text; null without an answer. */
  readonly body: unknown;
  /** Finds the call in the server's log; null if the server gave none. */
  readonly requestId: string | null;
  /** How long the server asks to wait before the next try; null if it does not say. */
  readonly retryAfterMs: number | null;

  constructor(message: string, fields: BoraErrorFields, options?: ErrorOptions) {
    super(message, options);
    this.status = fields.status;
    this.code = fields.code;
    this.body = fields.body;
    this.requestId = fields.requestId;
    this.retryAfterMs = fields.retryAfterMs;
  }

  /** Whether the same call may succeed later without a change: no answer, 408, 429 or 5xx. */
  get transient(): boolean {
    return this.status === null || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** The error for an answer that is not 2xx. Reads its body. */
export async function errorOfAnswer(call: string, response: Response): Promise<BoraError> {
  const text = await response.text().catch(() => '');
  const body = parseOrKeep(text);
  const error = isObject(body) ? (body as Partial<ErrorBody>) : {};
  const requestId =
    error.bora?.request_id ??
    response.headers.get('x-request-id') ??
    response.headers.get('mistral-correlation-id');
  const said = describe(error) ?? (text.slice(0, 500).trim() || response.statusText || 'no explanation');
  const sentence = /[.!?…)]$/.test(said) ? said : `${said}.`;
  return new BoraError(
    `${call} was refused (HTTP ${response.status}): ${sentence}${advice(response.status)}`,
    {
      status: response.status,
      code: error.bora?.code ?? null,
      body,
      requestId,
      retryAfterMs: retryAfter(response.headers.get('retry-after')),
    },
  );
}

/** The error for a call that got no complete answer. */
export function errorOfConnection(call: string, baseUrl: string, cause: unknown): BoraError {
  return new BoraError(
    `${call} got no answer from ${baseUrl} (${rootReason(cause)}). ` +
      'Is Bora running there? Start it with "bora serve", or give its address.',
    { status: null, code: null, body: null, requestId: null, retryAfterMs: null },
    { cause },
  );
}

function describe(error: Partial<ErrorBody>): string | null {
  if (Array.isArray(error.detail)) return error.detail.map(describeIssue).join('; ');
  if (typeof error.detail !== 'string') return null;
  const parts = [error.detail, error.description, error.message, ...describeLines(error.errors ?? [])];
  return parts.filter((part) => part !== undefined).join(' ');
}

function describeIssue(issue: ValidationIssue): string {
  return issue.loc.length === 0 ? issue.msg : `${issue.loc.join('.')}: ${issue.msg}`;
}

function describeLines(issues: NonNullable<ErrorBody['errors']>): string[] {
  const lines = issues.slice(0, LINES_SHOWN).map((issue) => `Line ${issue.line_number}: ${issue.message}`);
  return issues.length > LINES_SHOWN ? [...lines, `(and ${issues.length - LINES_SHOWN} more)`] : lines;
}

function advice(status: number): string {
  return status === 401 ? ' Give an API key; "bora keys create" makes one.' : '';
}

function rootReason(cause: unknown): string {
  let reason = cause;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  if (!(reason instanceof Error)) return String(reason);
  return 'code' in reason && typeof reason.code === 'string' ? reason.code : reason.message;
}

function retryAfter(header: string | null): number | null {
  const seconds = header === null || header === '' ? Number.NaN : Number(header);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
}

function parseOrKeep(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
