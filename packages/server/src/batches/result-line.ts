import type { BatchWork } from '../storage/ports/shard-queue.ts';

const NULL = Buffer.from('null');
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
  const id = `batch-${batch.id.slice(0, 8)}-${fileId.slice(0, 8)}-${request.ordinal}`;
  const head = Buffer.concat([
    Buffer.from(`{"id":"${id}","custom_id":`),
    request.customId ?? NULL,
    Buffer.from(`,"response":{"status_code":${status},"body":`),
  ]);
  return { head, tail: END };
}

/** The result line of a completed request: the answer's bytes as they came. */
export function successLine(
  batch: BatchWork,
  fileId: string,
  request: RequestIdentity,
  status: number,
  body: Uint8Array,
): Uint8Array {
  const { head, tail } = resultLineAround(batch, fileId, request, status);
  return Buffer.concat([head, body, tail]);
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
  const { head, tail } = resultLineAround(batch, fileId, request, status);
  const quoted = Buffer.from(
    JSON.stringify(Buffer.from(body.buffer, body.byteOffset, body.length).toString()),
  );
  return Buffer.concat([head, quoted, tail]);
}

/** An error body of our own, in the shape of Mistral's inference errors (openapi: `object: "error"`). */
export function errorBody(message: string, type: string, code: string): Uint8Array {
  return Buffer.from(JSON.stringify({ object: 'error', message, type, param: null, code }));
}
