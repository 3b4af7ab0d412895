/** Where the value of a field stands. */
export interface FieldRange {
  readonly start: number;
  readonly end: number;
}

/** The boundary of a form (RFC 7578), as its content type names it; null for any other content. */
export function boundaryOf(contentType: string): string | null {
  const found = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType);
  return found?.[1] ?? found?.[2] ?? null;
}

/** The text fields of a whole form that have this name. What ends in its middle is taken to have no more of them. */
export function* fieldsNamed(form: Buffer, boundary: string, name: string): Generator<FieldRange> {
  const delimiter = `--${boundary}`;
  let at = form.indexOf(delimiter);
  while (at !== -1) {
    const head = at + delimiter.length;
    const headEnd = form.indexOf('\r\n\r\n', head);
    const end = form.indexOf(`\r\n${delimiter}`, head);
    if (headEnd === -1 || end === -1) return;
    const start = headEnd + 4;
    if (start <= end && isField(form.toString('latin1', head, headEnd), name)) yield { start, end };
    at = end + 2;
  }
}

function isField(head: string, name: string): boolean {
  const disposition = /^content-disposition:(.*)$/im.exec(head)?.[1] ?? '';
  const named = /;\s*name="?([^";]*)"?/i.exec(disposition)?.[1];
  return named === name && !/;\s*filename/i.test(disposition);
}
