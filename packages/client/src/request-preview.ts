import { clashFinder } from './custom-id-clash.ts';
import { isProblem, lineOf } from './request-check.ts';
import type { RequestProblem, RequestTarget } from './request-check.ts';
import { tooLong } from './request-parts.ts';
import type { RequestList } from './request-parts.ts';

export interface PreviewOptions {
  /** How many lines to show; default 3. */
  readonly shown?: number;
  /** Default 16 MiB, as a Bora takes unless it is configured otherwise. */
  readonly maxLineBytes?: number;
}

export interface RequestPreview {
  readonly requests: number;
  /** Of the whole JSONL, in UTF-8. */
  readonly bytes: number;
  /** The first lines as they would be uploaded. */
  readonly firstLines: readonly string[];
  /** The first hundred. */
  readonly problems: readonly RequestProblem[];
  /** All there are. */
  readonly problemCount: number;
}

const PROBLEMS_KEPT = 100;
const MAX_LINE_BYTES = 16 * 1024 * 1024;

/**
 * What would be uploaded for a list of requests, and everything that is wrong with it, without sending anything. Reads the list to its
 * end and remembers each `custom_id`, about 100 bytes a request. A `custom_id` that is used twice is a problem here, although Mistral's
 * API takes it: by it results are told apart.
 */
export async function previewRequests(
  requests: RequestList,
  target: RequestTarget,
  options: PreviewOptions = {},
): Promise<RequestPreview> {
  const { shown = 3, maxLineBytes = MAX_LINE_BYTES } = options;
  const encoder = new TextEncoder();
  const places = new Map<string, number>();
  const clashOf = clashFinder();
  let clashes = false;
  const firstLines: string[] = [];
  const problems: RequestProblem[] = [];
  let problemCount = 0;
  let place = 0;
  let bytes = 0;
  const note = (problem: RequestProblem): void => {
    problemCount += 1;
    if (problems.length < PROBLEMS_KEPT) problems.push(problem);
  };
  for await (const request of requests) {
    const line = lineOf(request, place, target);
    if (isProblem(line)) note(line);
    else {
      const { customId, text } = line;
      const clash = clashes ? null : clashOf(request, place);
      if (clash !== null) {
        clashes = true;
        note(clash);
      }
      const length = encoder.encode(text).length + 1;
      const before = places.get(customId);
      // The server's limit is on the line without its line break.
      if (length - 1 > maxLineBytes) note(tooLong(place, customId, length - 1, maxLineBytes));
      if (before === undefined) places.set(customId, place);
      else note(duplicate(place, customId, before));
      if (firstLines.length < shown) firstLines.push(text);
      bytes += length;
    }
    place += 1;
  }
  return { requests: place, bytes, firstLines, problems, problemCount };
}

function duplicate(place: number, customId: string, before: number): RequestProblem {
  const message = `Request ${place}: Its custom_id ${JSON.stringify(customId)} is that of request ${before}, too.`;
  return { place, customId, code: 'duplicate_custom_id', message };
}
