/** The bytes of a part of a form: its headers and its content, as they are. */
export interface Part {
  readonly headers: readonly string[];
  readonly content: string | Uint8Array;
}

export const FORM_TYPE = 'multipart/form-data; boundary=b';

export const GOOD_LINE = '{"custom_id":"a","body":{"model":"m","messages":[]}}\n';

/** A part `file`, good but for what a case makes of it. */
export function filePart(content: string | Uint8Array = GOOD_LINE, filename = 'filename="in.jsonl"'): Part {
  return { headers: [`content-disposition: form-data; name="file"; ${filename}`], content };
}

export function textPart(name: string, content: string | Uint8Array): Part {
  return { headers: [`content-disposition: form-data; name="${name}"`], content };
}

/** The body of a form whose boundary is `b`, ended or not. */
export function formOf(parts: readonly Part[], end = '--b--\r\n'): Buffer {
  return Buffer.concat([
    ...parts.flatMap(({ headers, content }) => [
      Buffer.from(`--b\r\n${headers.map((header) => `${header}\r\n`).join('')}\r\n`),
      Buffer.from(content),
      Buffer.from('\r\n'),
    ]),
    Buffer.from(end),
  ]);
}
