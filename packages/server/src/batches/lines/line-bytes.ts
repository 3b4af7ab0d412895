/** One allocation a line: at 20,000 lines a second, three would show. */
export function lineAround(head: string, body: Uint8Array, end: Uint8Array): Uint8Array {
  const headBytes = Buffer.byteLength(head);
  const line = Buffer.allocUnsafe(headBytes + body.length + end.length);
  line.write(head);
  line.set(body, headBytes);
  line.set(end, headBytes + body.length);
  return line;
}

export function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

/** An error body of our own, in the shape of Mistral's inference errors (openapi: `object: "error"`). */
export function errorBody(message: string, type: string, code: string): Uint8Array {
  return Buffer.from(JSON.stringify({ object: 'error', message, type, param: null, code }));
}
