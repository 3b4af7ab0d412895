import type { BatchWork } from '../../storage/ports/shard-queue.ts';
import { lineAround, utf8 } from './line-bytes.ts';
import type { LineFormat, RequestIdentity } from './line-format.ts';

const END = Buffer.from('},"error":null}\n');

/**
 * Mistral's format: `{"id","custom_id","response":{"status_code","body"},"error":null}` (compact, one per line). The last number of the
 * id is the ordinal.
 */
export const mistralLines: LineFormat = {
  around: (batch, fileId, request, status) => ({
    head: Buffer.from(headText(batch, fileId, request, status)),
    tail: END,
  }),

  success: (batch, fileId, request, status, body) =>
    lineAround(headText(batch, fileId, request, status), body, END),

  /**
   * The real service puts the error body in as a JSON *string*, and clients that decode it are in the field, so this does too.
   */
  failure: (batch, fileId, request, { status, body }) =>
    lineAround(headText(batch, fileId, request, status), Buffer.from(JSON.stringify(utf8(body))), END),

  unanswered: null,
};

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
