import { isKey, membersOf } from './json-scan.ts';
import type { Gap } from './splice-file.ts';

/** How a file stands in a form. */
export interface FormFile {
  readonly name: string;
  readonly contentType: string;
}

const END_OF_LINE = '\r\n';

/**
 * A JSON request as `multipart/form-data` (RFC 7578), with a gap for the content of its part `file`, which comes last. Members become
 * fields in their order: strings as they are, numbers and booleans as they are written, lists as one field `name[]` for each entry, as
 * OpenAI's clients write them, objects as JSON. Left out are those whose value is null, and those that say where the file is.
 * `boundary` must not stand in any content: take a random one.
 */
export function gapInForm(body: Uint8Array, { name, contentType }: FormFile, boundary: string): Gap {
  const parts = [...fieldsOf(body)].map(
    ([field, value]) => `${disposition(boundary, field)}${END_OF_LINE}${END_OF_LINE}${value}${END_OF_LINE}`,
  );
  const file = `${disposition(boundary, 'file')}; filename="${quoted(name)}"${END_OF_LINE}Content-Type: ${contentType}`;
  return {
    before: Buffer.from(`${parts.join('')}${file}${END_OF_LINE}${END_OF_LINE}`),
    after: Buffer.from(`${END_OF_LINE}--${boundary}--${END_OF_LINE}`),
  };
}

function* fieldsOf(body: Uint8Array): Generator<[string, string]> {
  for (const member of membersOf(body)) {
    if (['file', 'file_id', 'file_url'].some((name) => isKey(body, member, name))) continue;
    const name = JSON.parse(text(body, member.keyStart, member.keyEnd)) as string;
    const written = text(body, member.valueStart, member.valueEnd);
    const value: unknown = JSON.parse(written);
    if (value === null) continue;
    if (Array.isArray(value)) for (const each of value) yield [`${name}[]`, entryText(each)];
    else yield [name, typeof value === 'string' ? value : written];
  }
}

function entryText(entry: unknown): string {
  return typeof entry === 'string' ? entry : JSON.stringify(entry);
}

function disposition(boundary: string, field: string): string {
  return `--${boundary}${END_OF_LINE}Content-Disposition: form-data; name="${quoted(field)}"`;
}

/** As browsers write names (WHATWG): what would end the quotes or the line is percent-encoded. */
function quoted(name: string): string {
  return name.replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll('"', '%22');
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString();
}
