import type { Dialect } from '../../storage/ports/batch-records.ts';
import type { BatchWork } from '../../storage/ports/shard-queue.ts';
import { mistralLines } from './mistral-lines.ts';
import { openAiLines } from './openai-lines.ts';

/** What of a request's line is needed to write its result line. */
export interface RequestIdentity {
  readonly ordinal: number;
  /** The JSON string as it stood in the input line, or null. */
  readonly customId: Uint8Array | null;
}

/** What a request failed with. */
export interface LineFailure {
  readonly status: number;
  /** One line of valid JSON. */
  readonly body: Uint8Array;
  /** Given where no upstream answered: a permanent code and a sentence, which `body` says too. */
  readonly unanswered?: { readonly code: string; readonly message: string };
}

/**
 * How a dialect writes the result lines of its batches, line break included. A line's id derives from batch and ordinal, so a repeated
 * commit writes the same bytes, and readers can merge output and error file into input order.
 */
export interface LineFormat {
  /** A line of a completed request as `head + body + tail`, so that a large answer can be written around as it arrives. */
  around(
    batch: BatchWork,
    fileId: string,
    request: RequestIdentity,
    status: number,
  ): { readonly head: Uint8Array; readonly tail: Uint8Array };

  /** The same line whole; `body` is the answer's bytes as they came. */
  success(
    batch: BatchWork,
    fileId: string,
    request: RequestIdentity,
    status: number,
    body: Uint8Array,
  ): Uint8Array;

  failure(batch: BatchWork, fileId: string, request: RequestIdentity, failure: LineFailure): Uint8Array;

  /** The line of a request that has no outcome when its batch ends early; null if the dialect wants none. */
  readonly unanswered: ((batch: BatchWork, request: RequestIdentity) => Uint8Array) | null;
}

export function lineFormatOf(dialect: Dialect): LineFormat {
  return dialect === 'openai' ? openAiLines : mistralLines;
}

/**
 * The ordinal in the id of a result line of any dialect, of which `head` is the beginning. Infinity if it is no such line.
 */
export function ordinalOfLine(head: string): number {
  const [, ofMistral, ofOpenAi] =
    /^\{"id":"(?:batch-[^"]*-(\d+)|batch_req_[0-9a-f]{20}([0-9a-f]{12}))"/.exec(head) ?? [];
  if (ofOpenAi !== undefined) return Number.parseInt(ofOpenAi, 16);
  return ofMistral === undefined ? Infinity : Number(ofMistral);
}
