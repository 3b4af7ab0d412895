/** A line that is no request. */
export interface BadLine {
  readonly kind: 'bad';
  /** `encoding` apart from the rest, because Mistral's API answers it in words of its own. */
  readonly fault: 'encoding' | 'json' | 'request';
  /** Which part of a line that is JSON is wrong, and what it is instead (null: it is absent). Not given for a line that is too long. */
  readonly shape?: { readonly of: 'line' | 'body' | 'custom_id'; readonly found: ValueKind | null };
  /** What is wrong, in a sentence for the one who wrote the line. */
  readonly message: string;
}

/** A kind of JSON value, as a sentence names it. */
export type ValueKind = 'an object' | 'an array' | 'a string' | 'a number' | 'a boolean' | 'null';

export function notUtf8(): BadLine {
  return bad('encoding', 'The line is not valid UTF-8. Save the file with UTF-8 encoding.');
}

/** ASCII in UTF-16 is UTF-8 byte for byte, but every second one is NUL, and no JSON begins so. */
export function notJson(line: Uint8Array, reason: string): BadLine {
  if ((line[0] === 0) !== (line[1] === 0)) return notUtf8();
  return bad('json', `The line is not valid JSON: ${reason}.`);
}

/** The bad line in place of one that `LineSplitter` did not keep. */
export function tooLongLine(maxLineBytes: number): BadLine {
  const limit = `${Math.floor(maxLineBytes / (1024 * 1024))} MiB`;
  return bad(
    'request',
    `The line is longer than ${limit}. Refer to large content by URL or file id instead.`,
  );
}

/** What is wrong with the shape of a line, or null. `null` for a member that is absent. */
export function wrongShape(
  line: ValueKind,
  body: ValueKind | undefined,
  customId: ValueKind | undefined,
): BadLine | null {
  if (line !== 'an object') {
    const message = `The line is ${line}, but each line must be a JSON object with a "body".`;
    return misshapen('line', line, message);
  }
  if (body === undefined) {
    return misshapen('body', null, 'The line has no "body". Put the request of the endpoint under "body".');
  }
  if (body !== 'an object') {
    const message = `"body" is ${body}, but must be a JSON object: the request of the endpoint.`;
    return misshapen('body', body, message);
  }
  if (customId !== undefined && customId !== 'null' && customId !== 'a string') {
    const message = `"custom_id" is ${customId}, but must be a string or null. Quote it.`;
    return misshapen('custom_id', customId, message);
  }
  return null;
}

function misshapen(of: 'line' | 'body' | 'custom_id', found: ValueKind | null, message: string): BadLine {
  return { kind: 'bad', fault: 'request', shape: { of, found }, message };
}

function bad(fault: BadLine['fault'], message: string): BadLine {
  return { kind: 'bad', fault, message };
}
