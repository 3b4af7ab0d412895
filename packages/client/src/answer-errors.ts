import { BoraError } from './bora-error.ts';

/** How many bad lines a message names; the rest is in `body`. */
const LINES_SHOWN = 5;

type Members = Readonly<Record<string, unknown>>;

/** One thing wrong with a malformed request. */
interface ValidationIssue {
  /** Path to the value: `body`, `query` or `path`, then keys and indexes. */
  readonly loc?: readonly (string | number)[];
  readonly msg: string;
}

/** A bad line of an uploaded batch file. */
interface UploadIssue {
  readonly message: string;
  readonly line_number: number;
}

/**
 * The error for an answer that is not 2xx. Reads its body, in each shape that occurs: `detail` as a sentence or as a list of what is
 * malformed, with the bad lines of an upload beside it; an `error` of its own; or the members of one (inference endpoints, proxies).
 */
export async function errorOfAnswer(call: string, response: Response): Promise<BoraError> {
  const { status, headers } = response;
  const text = await response.text().catch(() => '');
  const body = parseOrKeep(text);
  const members = membersOf(body);
  const bora = membersOf(members['bora']);
  const said = describe(members) ?? (text.slice(0, 500).trim() || response.statusText || 'no explanation');
  const sentence = /[.!?…)]$/.test(said) ? said : `${said}.`;
  return new BoraError(`${call} was refused (HTTP ${status}): ${sentence}${advice(status)}`, {
    status,
    code:
      textOf(bora['code']) ??
      textOf(members['code']) ??
      textOf(membersOf(members['error'])['code']) ??
      'refused',
    body,
    requestId:
      textOf(bora['request_id']) ?? headers.get('x-request-id') ?? headers.get('mistral-correlation-id'),
    retryAfterMs: retryAfter(headers),
  });
}

/** The error for a call that got no complete answer. */
export function errorOfConnection(call: string, baseUrl: string, cause: unknown): BoraError {
  return new BoraError(
    `${call} got no answer from ${baseUrl} (${rootReason(cause)}). ` +
      'Is Bora running there? Start it with "bora serve", or give its address.',
    { code: 'no_answer' },
    { cause },
  );
}

/** The error for an answer of success that is not JSON: whatever is there, it is no Bora. */
export function errorOfNoJson(call: string, baseUrl: string, { status }: Response, body: string): BoraError {
  return new BoraError(
    `${call} was answered with HTTP ${status}, but not with JSON: ${JSON.stringify(body.slice(0, 100))}. Is ${baseUrl} the address of Bora?`,
    { code: 'unexpected_answer', status, body },
  );
}

function describe(body: Members): string | null {
  const { detail, error } = body;
  if (Array.isArray(detail)) return (detail as ValidationIssue[]).map(describeIssue).join('; ');
  const said = [detail, body['description'], error, membersOf(error)['message'], body['message']];
  const parts = said.filter((part) => typeof part === 'string' && part !== '');
  const lines = Array.isArray(body['errors']) ? describeLines(body['errors'] as UploadIssue[]) : [];
  return parts.length + lines.length === 0 ? null : [...parts, ...lines].join(' ');
}

function describeIssue(issue: ValidationIssue): string {
  const { loc = [], msg } = issue;
  return loc.length === 0 ? msg : `${loc.join('.')}: ${msg}`;
}

function describeLines(issues: readonly UploadIssue[]): string[] {
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

/** Milliseconds of `retry-after-ms`, or of `retry-after` in seconds or as a date, which is of the server's clock, as `date` is. */
function retryAfter(headers: Headers): number | null {
  const ms = headers.get('retry-after-ms') ?? '';
  const given = headers.get('retry-after') ?? '';
  const wait = /^\d+(\.\d+)?$/;
  if (wait.test(ms)) return Number(ms);
  if (wait.test(given)) return Number(given) * 1000;
  const until = Date.parse(given) - (Date.parse(headers.get('date') ?? '') || Date.now());
  return Number.isNaN(until) ? null : Math.max(0, until);
}

function parseOrKeep(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function membersOf(value: unknown): Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null;
}
