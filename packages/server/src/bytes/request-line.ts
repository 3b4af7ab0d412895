import type { BadLine, ValueKind } from './bad-line.ts';
import { notJson, notUtf8, wrongShape } from './bad-line.ts';
import { isKey, JsonScanError, MemberWalk } from './json-scan.ts';
import { LARGE_LINE_BYTES, parseLargeLine } from './large-line.ts';
import { MAX_DEPTH, mayBeTooDeep } from './json-machine.ts';
import { namedFiles } from './named-files.ts';
import type { NamedFile } from './named-files.ts';

/** A request as it stands in its line; both ranges are views of the line. */
export interface RequestLine {
  readonly kind: 'request';
  /** The JSON string with its quotes, byte for byte; null if it is absent or `null`. */
  readonly customId: Uint8Array | null;
  /** The `body` object, byte for byte. */
  readonly body: Uint8Array;
  /** `body.model` if it is a string. */
  readonly bodyModel: string | null;
}

/** What a line says, without where it says it. */
export interface ParsedLine {
  readonly kind: 'parsed';
  /** As they stand in the line, of any type; undefined where they are absent. Of an array or an object no more than its type is true. */
  readonly customId: unknown;
  readonly method: unknown;
  readonly url: unknown;
  readonly bodyModel: string | null;
  /** The body says `"stream": true`. */
  readonly streams: boolean;
  /** Which of the members asked for the body has, with another value than null. */
  readonly members: readonly string[];
  readonly files: readonly NamedFile[];
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one line of a batch input file: `{"custom_id"?: string | null, "body": {…}, …}`. Other members are ignored; of
 * duplicates the last counts, as for `JSON.parse`. Trusts nobody: files that were uploaded unchecked come here as well.
 *
 * Measured for a chat line of 1.1 KB (Node 24, one core): decode and parse 1.1 µs (1.6 with some non-ASCII), the ranges
 * 1.0 µs more; `spliceBody` after it 1.5 µs, or 3 if it changes something.
 */
export function readRequestLine(line: Uint8Array): RequestLine | BadLine {
  const parsed = parseRequestLine(line, []);
  if (parsed.kind === 'bad') return parsed;

  return { ...rangesOf(line), kind: 'request', bodyModel: parsed.bodyModel };
}

/** The `custom_id` of a line as `RequestLine` has it; null also for a line that is no request. */
export function customIdOf(line: Uint8Array): Uint8Array | null {
  const request = readRequestLine(line);
  return request.kind === 'request' ? request.customId : null;
}

/**
 * The ranges of a line in which `readRequestLine` found nothing wrong once: without a second parse, which takes 1.1 µs and makes 2.4 KB
 * of garbage. Null if it cannot be that line: its structure is broken.
 */
export function readCheckedLine(line: Uint8Array): Pick<RequestLine, 'customId' | 'body'> | null {
  try {
    const ranges = rangesOf(line);
    return ranges.body === line ? null : ranges;
  } catch (error) {
    if (error instanceof JsonScanError) return null;
    throw error;
  }
}

/** `body` is the line itself if it has none. */
function rangesOf(line: Uint8Array): Pick<RequestLine, 'customId' | 'body'> {
  let customId: Uint8Array | null = null;
  let body = line;
  const member = new MemberWalk(line);
  while (member.next()) {
    if (isKey(line, member, 'body')) {
      body = line.subarray(member.valueStart, member.valueEnd);
    } else if (isKey(line, member, 'custom_id')) {
      const isString = line[member.valueStart] === 0x22;
      customId = isString ? line.subarray(member.valueStart, member.valueEnd) : null;
    }
  }
  return { customId, body };
}

/** The check of `readRequestLine` alone, and which of `names` the body has, for readers that need no ranges. */
export function parseRequestLine(line: Uint8Array, names: readonly string[]): ParsedLine | BadLine {
  const isLarge = line.length > LARGE_LINE_BYTES;
  if (isLarge || (line.length > 2 * MAX_DEPTH && mayBeTooDeep(line))) return parseLargeLine(line, names);

  let text: string;
  try {
    text = UTF8.decode(line);
  } catch {
    return notUtf8();
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return notJson(line, (error as Error).message);
  }
  const isObject = typeof value === 'object' && value !== null;
  const { body, custom_id: customId, method, url } = (isObject ? value : {}) as Record<string, unknown>;
  const wrong = wrongShape(
    kindOf(value),
    body === undefined ? body : kindOf(body),
    customId === undefined ? customId : kindOf(customId),
  );
  if (wrong !== null) return wrong;

  const { model, stream } = body as Record<string, unknown>;
  return {
    kind: 'parsed',
    customId,
    method,
    url,
    bodyModel: typeof model === 'string' ? model : null,
    streams: stream === true,
    members: names.filter(
      (name) => Object.hasOwn(body as object, name) && (body as Record<string, unknown>)[name] !== null,
    ),
    files: namedFiles(body as Record<string, unknown>),
  };
}

/** What a parsed JSON value is. */
export function kindOf(value: unknown): ValueKind {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'number') return 'a number';
  return typeof value === 'boolean' ? 'a boolean' : 'an object';
}
