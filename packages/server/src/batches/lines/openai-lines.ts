import type { BatchWork } from '../../storage/ports/shard-queue.ts';
import { lineAround, utf8 } from './line-bytes.ts';
import type { LineFormat, RequestIdentity } from './line-format.ts';
import { nestedError } from './nested-error.ts';

const END = Buffer.from('},"error":null}\n');

/**
 * What is said of a request that its batch ended before (spec; the text about expiry is documented, the other is not published).
 */
const UNANSWERED = {
  expired: {
    code: 'batch_expired',
    message: 'This request could not be executed before the completion window expired.',
  },
  cancelled: {
    code: 'batch_cancelled',
    message: 'This request was not executed because the batch was cancelled.',
  },
} as const;

/**
 * OpenAI's format: `{"id","custom_id","response":{"status_code","request_id","body"},"error"}`. Whatever answered, with success or
 * not, stands under `response`, with `error: null`; `error` is for requests that got no answer, with `response: null` (observed).
 * Readers in the field need a string for `custom_id` on each line, so a line that has none gets an empty one.
 */
export const openAiLines: LineFormat = {
  around: (batch, _fileId, request, status) => ({
    head: Buffer.from(headText(batch, request, status)),
    tail: END,
  }),

  success: (batch, _fileId, request, status, body) => lineAround(headText(batch, request, status), body, END),

  failure: (batch, _fileId, request, { status, body, unanswered }) =>
    unanswered === undefined
      ? lineAround(headText(batch, request, status), nestedError(body, status), END)
      : errorLine(batch, request, unanswered),

  unanswered: (batch, request) =>
    errorLine(batch, request, UNANSWERED[batch.endReason === 'expired' ? 'expired' : 'cancelled']),
};

function errorLine(
  batch: BatchWork,
  request: RequestIdentity,
  { code, message }: { readonly code: string; readonly message: string },
): Uint8Array {
  const error = JSON.stringify({ code, message });
  return Buffer.from(`${identityText(batch, request)}"response":null,"error":${error}}\n`);
}

function headText(batch: BatchWork, request: RequestIdentity, status: number): string {
  const identity = identityText(batch, request);
  return `${identity}"response":{"status_code":${status},"request_id":"${requestHex(batch, request)}","body":`;
}

/** custom_id is a JSON string in valid UTF-8, so it comes back from text to the same bytes. */
function identityText(batch: BatchWork, request: RequestIdentity): string {
  const quoted = request.customId === null ? '""' : utf8(request.customId);
  return `{"id":"batch_req_${requestHex(batch, request)}","custom_id":${quoted},`;
}

/** 32 hex digits as clients know them: 20 of the batch's id, 12 of the ordinal. */
function requestHex({ id }: BatchWork, { ordinal }: RequestIdentity): string {
  const batch = id.slice(0, 8) + id.slice(9, 13) + id.slice(14, 18) + id.slice(19, 23);
  return batch + ordinal.toString(16).padStart(12, '0');
}
