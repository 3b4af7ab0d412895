import { isUtf8 } from 'node:buffer';
import type { BadLine, ValueKind } from './bad-line.ts';
import { notJson, notUtf8, wrongShape } from './bad-line.ts';
import { JsonMachine } from './json-machine.ts';
import { isKey, membersOf, skipSpace } from './json-scan.ts';
import type { Member } from './json-scan.ts';
import { namedFiles } from './named-files.ts';
import type { ParsedLine } from './request-line.ts';

/**
 * Lines beyond this are checked without building their values. A hostile line of 16 MiB (`[{},{},…`, or deep nesting)
 * cost JSON.parse 1 to 2 s and 750 MB; this way it is 0.3 s at most and no memory. Ordinary lines stay with JSON.parse,
 * which is twice as fast for them.
 */
export const LARGE_LINE_BYTES = 256 * 1024;

/** As `parseRequestLine`, for lines of any size. The two agree on every line, in all but the words about invalid JSON. */
export function parseLargeLine(line: Uint8Array, names: readonly string[]): ParsedLine | BadLine {
  const machine = new JsonMachine();
  machine.read(line, () => {});
  const fault = machine.finish();
  if (fault !== null) return isUtf8(line) ? notJson(line, fault) : notUtf8();

  const start = skipSpace(line, 0);
  const kind = kindAt(line, start);
  let body: Member | undefined;
  let customId: Member | undefined;
  let method: Member | undefined;
  let url: Member | undefined;
  for (const member of kind === 'an object' ? membersOf(line) : []) {
    if (isKey(line, member, 'body')) body = member;
    else if (isKey(line, member, 'custom_id')) customId = member;
    else if (isKey(line, member, 'method')) method = member;
    else if (isKey(line, member, 'url')) url = member;
  }
  const wrong = wrongShape(
    kind,
    body && kindAt(line, body.valueStart),
    customId && kindAt(line, customId.valueStart),
  );
  if (wrong !== null) return wrong;
  return {
    kind: 'parsed',
    customId: shallowValue(line, customId),
    method: shallowValue(line, method),
    url: shallowValue(line, url),
    ...readBody(line.subarray(body!.valueStart, body!.valueEnd), names),
  };
}

/** Arrays and objects come back empty: nobody asks what is in them. */
function shallowValue(line: Uint8Array, member: Member | undefined): unknown {
  if (member === undefined) return undefined;
  const kind = kindAt(line, member.valueStart);
  if (kind === 'an array') return [];
  if (kind === 'an object') return {};
  return parse(line.subarray(member.valueStart, member.valueEnd));
}

type ParsedBody = Omit<ParsedLine, 'kind' | 'customId' | 'method' | 'url'>;

function readBody(body: Uint8Array, names: readonly string[]): ParsedBody {
  let bodyModel: string | null = null;
  let streams = false;
  const members = new Set<string>();
  let fileId: unknown;
  let document: { file_id?: unknown } = {};
  for (const member of membersOf(body)) {
    const isString = kindAt(body, member.valueStart) === 'a string';
    const value = body.subarray(member.valueStart, member.valueEnd);
    if (isKey(body, member, 'model')) bodyModel = isString ? (parse(value) as string) : null;
    else if (isKey(body, member, 'stream')) streams = body[member.valueStart] === 0x74;
    else if (isKey(body, member, 'file_id')) fileId = isString ? parse(value) : null;
    else if (isKey(body, member, 'document')) document = { file_id: fileIdIn(value) };
    const name = names.find((each) => isKey(body, member, each));
    if (name === undefined) continue;
    if (kindAt(body, member.valueStart) === 'null') members.delete(name);
    else members.add(name);
  }
  return {
    bodyModel,
    streams,
    members: names.filter((name) => members.has(name)),
    files: namedFiles({ file_id: fileId, document }),
  };
}

/** The last `file_id` of what may be an object, if it is a string. */
function fileIdIn(document: Uint8Array): unknown {
  let fileId: unknown;
  for (const member of kindAt(document, 0) === 'an object' ? membersOf(document) : []) {
    if (!isKey(document, member, 'file_id')) continue;
    const isString = kindAt(document, member.valueStart) === 'a string';
    fileId = isString ? parse(document.subarray(member.valueStart, member.valueEnd)) : null;
  }
  return fileId;
}

function parse(value: Uint8Array): unknown {
  return JSON.parse(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString());
}

function kindAt(bytes: Uint8Array, at: number): ValueKind {
  switch (bytes[at]) {
    case 0x7b:
      return 'an object';
    case 0x5b:
      return 'an array';
    case 0x22:
      return 'a string';
    case 0x6e:
      return 'null';
    case 0x74:
    case 0x66:
      return 'a boolean';
    default:
      return 'a number';
  }
}
