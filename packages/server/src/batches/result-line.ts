import type { BatchWork } from '../storage/ports/shard-queue.ts';

const END = Buffer.from('},"error":null}\n');

/** What of a request's line is needed to write its result line. */
export interface RequestIdentity {
  readonly ordinal: number;
  /** The JSON string as it stood in the input line, or null. */
  readonly customId: Uint8Array | null;
}

/**
 * A result line as `head + body + tail`, so that a large answer can be written around as it arrives. Mistral's format:
 * `{"id","custom_id","response":{"status_code","body"},"error":null}` (compact, one per line). The id derives from
 * batch, file and ordinal, so a repeated commit writes the same bytes; its last number is the ordinal, by which
 * readers merge output and error file into input order.
 */
export function resultLineAround(
  batch: BatchWork,
  fileId: string,
  request: RequestIdentity,
  status: number,
): { head: Uint8Array; tail: Uint8Array } {
  return { head: Buffer.from(headText(batch, fileId, request, status)), tail: END };
}

/** custom_id is a JSON string in valid UTF-8, so it comes back from text to the same bytes. */
function headText(
  batch: BatchWork,
  fileId: string,
  { ordinal, customId }: RequestIdentity,
  status: number,
): string {
  const id = `batch-${batch.id.slice(0, 8)}-${fileId.slice(0, 8)}-${ordinal}`;
  const quoted = customId === null ? 'null' : utf8(customId);
  return `{"id":"${id}","custom_id":${quoted},"response":{"status_code":${status},"body":`;
}

/** The result line of a completed request: the answer's bytes as they came. */
export function successLine(
  batch: BatchWork,
  fileId: string,
  request: RequestIdentity,
  status: number,
  body: Uint8Array,
): Uint8Array {
  return lineOf(headText(batch, fileId, request, status), body);
}

/**
 * The line of a failed request. The real service puts the error body in as a JSON *string*, and clients that
 * decode it are in the field, so this does too.
 */
export function failureLine(
  batch: BatchWork,
  fileId: string,
  request: RequestIdentity,
  status: number,
  body: Uint8Array,
): Uint8Array {
  return lineOf(headText(batch, fileId, request, status), Buffer.from(JSON.stringify(utf8(body))));
}

/** An error body of our own, in the shape of Mistral's inference errors (openapi: `object: "error"`). */
export function errorBody(message: string, type: string, code: string): Uint8Array {
  return Buffer.from(JSON.stringify({ object: 'error', message, type, param: null, code }));
}

/** One allocation a line: at 20,000 lines a second, three would show. */
function lineOf(head: string, body: Uint8Array): Uint8Array {
  const headBytes = Buffer.byteLength(head);
  const line = Buffer.allocUnsafe(headBytes + body.length + END.length);
  line.write(head);
  line.set(body, headBytes);
  line.set(END, headBytes + body.length);
  return line;
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}
