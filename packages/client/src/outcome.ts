import type { ResultLine } from './job-types.ts';
import { BoraError } from './bora-error.ts';
import type { RawResultLine } from './result-lines.ts';

export type JsonObject = Record<string, unknown>;

interface OutcomeOfLine {
  /** The line's own id, unique within the installation. */
  readonly id: string;
  /** As the input line said; null if it said none. */
  readonly customId: string | null;
  /** Place of the request over all input files, from 0; null if the server's line ids do not tell. */
  readonly ordinal: number | null;
}

export interface SucceededRequest<Body = JsonObject> extends OutcomeOfLine {
  readonly kind: 'succeeded';
  readonly statusCode: number;
  readonly body: Body;
  readonly error: null;
}

export interface FailedRequest extends OutcomeOfLine {
  readonly kind: 'failed';
  /** What the upstream answered last; null if it never did. */
  readonly statusCode: number | null;
  /** The upstream's answer: an object if it was JSON, else its text; null if there was none. */
  readonly body: JsonObject | string | null;
  readonly error: { readonly message: string; readonly code: string | null };
}

export type RequestOutcome<Body = JsonObject> = SucceededRequest<Body> | FailedRequest;

/**
 * Reads a result line. A failed line's body may be an object or a string holding JSON, its `error` null, a string or an object: all of
 * them occur.
 * @throws BoraError `bad_result_line` if the line is not JSON.
 */
export function outcomeOf<Body = JsonObject>(raw: RawResultLine): RequestOutcome<Body> {
  const line = parseLine(raw);
  const base = { id: line.id, customId: line.custom_id ?? null, ordinal: raw.ordinal };
  const statusCode = line.response?.status_code ?? null;
  const body = decodeBody(line.response?.body);
  const answered = statusCode !== null && statusCode >= 200 && statusCode < 300;
  if (answered && (line.error ?? null) === null && typeof body === 'object' && body !== null)
    return { ...base, kind: 'succeeded', statusCode, body: body as Body, error: null };
  return { ...base, kind: 'failed', statusCode, body, error: describeFailure(line.error, body, statusCode) };
}

function parseLine({ file, bytes }: RawResultLine): ResultLine {
  const text = new TextDecoder().decode(bytes);
  try {
    return JSON.parse(text) as ResultLine;
  } catch (error) {
    const start = JSON.stringify(text.slice(0, 100));
    throw new BoraError(
      `A line of the ${file} file is not JSON: ${start}. Was the file cut off? Read it again, or look at it with resultLines.`,
      { code: 'bad_result_line' },
      { cause: error },
    );
  }
}

function decodeBody(body: JsonObject | string | null | undefined): JsonObject | string | null {
  if (typeof body !== 'string') return body ?? null;
  try {
    const parsed: unknown = JSON.parse(body);
    return isObject(parsed) ? parsed : body;
  } catch {
    return body;
  }
}

function describeFailure(
  error: ResultLine['error'],
  body: JsonObject | string | null,
  statusCode: number | null,
): FailedRequest['error'] {
  if (typeof error === 'string') return { message: error, code: null };
  const holders = [error, body, isObject(body) ? body['error'] : null].filter(isObject);
  const message = holders.map(messageOf).find((found) => found !== null);
  const code = holders.map(codeOf).find((found) => found !== null) ?? null;
  if (message !== undefined) return { message, code };
  if (typeof body === 'string' && body !== '') return { message: body, code };
  return { message: statusCode === null ? 'no answer' : `HTTP ${statusCode}`, code };
}

function messageOf(holder: JsonObject): string | null {
  const message = holder['message'] ?? holder['detail'];
  if (message === undefined || message === null) return null;
  return typeof message === 'string' ? message : JSON.stringify(message);
}

function codeOf(holder: JsonObject): string | null {
  const code = holder['code'];
  return typeof code === 'string' || typeof code === 'number' ? String(code) : null;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
