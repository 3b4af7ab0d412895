/** A file in a form. */
export class FormFile {
  readonly name: string;
  readonly bytes: number;

  constructor(name: string, bytes: number) {
    this.name = name;
    this.bytes = bytes;
  }
}

export type Form = Readonly<Record<string, string | FormFile | readonly string[]>>;

/** The fields of a `multipart/form-data` body. What is called `name[]` becomes a list under `name`. Null if it is no such form. */
export function readForm(body: Buffer, contentType: string): Form | null {
  const [, quoted, plain] = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(contentType) ?? [];
  const boundary = quoted ?? plain;
  if (boundary === undefined) return null;
  // Latin-1 keeps every byte as one character, whatever the file holds.
  const parts = body.toString('latin1').split(`--${boundary}`);
  if (parts.length < 2 || !parts.at(-1)!.startsWith('--')) return null;

  const form: Record<string, string | FormFile | string[]> = {};
  for (const part of parts.slice(1, -1)) {
    const headEnd = part.indexOf('\r\n\r\n');
    const head = utf8(part.slice(0, headEnd));
    const content = part.slice(headEnd + 4, -2);
    const name = /;\s*name="([^"]*)"/i.exec(head)?.[1];
    if (headEnd < 0 || name === undefined) return null;
    const filename = /;\s*filename="([^"]*)"/i.exec(head)?.[1];
    if (filename !== undefined) form[name] = new FormFile(filename, content.length);
    else if (name.endsWith('[]')) {
      const list = name.slice(0, -2);
      form[list] = [...((form[list] as string[] | undefined) ?? []), utf8(content)];
    } else form[name] = utf8(content);
  }
  return form;
}

function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString();
}
