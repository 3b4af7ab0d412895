import { BoraError } from './bora-error.ts';
import { clashFinder } from './custom-id-clash.ts';
import type { BatchRequest } from './request-builders.ts';
import { isProblem, lineOf } from './request-check.ts';
import type { RequestProblem, RequestTarget } from './request-check.ts';

/** A list of requests, or what makes them one after another; read once. */
export type RequestList = Iterable<BatchRequest> | AsyncIterable<BatchRequest>;

/** A request of the list cannot be sent. Nothing of the list was started. */
export class InvalidRequest extends BoraError {
  override readonly name = 'InvalidRequest';
  readonly problem: RequestProblem;

  constructor(problem: RequestProblem) {
    super(problem.message, { code: problem.code });
    this.problem = problem;
  }
}

export interface PartLimits {
  /** Most requests in one file, so in one job. */
  readonly maxRequests: number;
  /** Most bytes in one file. A line that alone is longer is refused. */
  readonly maxBytes: number;
}

/** One file's worth of a list. */
export interface Part {
  /** JSONL, to be read to its end before the next part is asked for. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

const CHUNK_BYTES = 64 * 1024;

/**
 * Cuts a list into files, each as large as the limits allow, reading it as they are read: what is in memory is a chunk, however long
 * the list. Requests without a `custom_id` get one.
 * @throws InvalidRequest from `chunks`, and whatever the list throws.
 */
export async function* partsOf(
  requests: RequestList,
  target: RequestTarget,
  limits: PartLimits,
): AsyncGenerator<Part, void, undefined> {
  const lines = encodedLines(requests, target, limits.maxBytes);
  let isReading = false;
  const nextLine = async (): Promise<IteratorResult<Uint8Array, void>> => {
    isReading = true;
    const line = await lines.next();
    isReading = false;
    return line;
  };
  try {
    let next = await nextLine();
    while (!next.done) {
      let isRead = false;
      const chunks = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        let chunk: Uint8Array[] = [];
        let waiting = 0;
        let bytes = 0;
        for (let count = 0; !next.done; count += 1) {
          const line = next.value;
          const fits = count < limits.maxRequests && bytes + line.length <= limits.maxBytes;
          // Whatever the limits, a part takes a request: parts of none would go on for ever.
          if (count > 0 && !fits) break;
          chunk.push(line);
          waiting += line.length;
          bytes += line.length;
          if (waiting >= CHUNK_BYTES) {
            yield joined(chunk, waiting);
            chunk = [];
            waiting = 0;
          }
          next = await nextLine();
        }
        if (waiting > 0) yield joined(chunk, waiting);
        isRead = true;
      };
      yield { chunks: chunks() };
      if (!isRead) return;
    }
  } finally {
    const closed = lines.return();
    // A list closes once it has given what it was asked for. One that never does must not hold up the abort of its upload.
    if (isReading) closed.catch(() => {});
    else await closed;
  }
}

/** Lines with their line break. */
async function* encodedLines(
  requests: RequestList,
  target: RequestTarget,
  maxBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encoder = new TextEncoder();
  const clashOf = clashFinder();
  let place = 0;
  for await (const request of requests) {
    const line = lineOf(request, place, target);
    if (isProblem(line)) throw new InvalidRequest(line);
    const clash = clashOf(request, place);
    if (clash !== null) throw new InvalidRequest(clash);
    const bytes = encoder.encode(`${line.text}\n`);
    if (bytes.length > maxBytes)
      throw new InvalidRequest(tooLong(place, line.customId, bytes.length, maxBytes));
    yield bytes;
    place += 1;
  }
}

export function tooLong(place: number, customId: string, bytes: number, maxBytes: number): RequestProblem {
  const message = `Request ${place}: As a line it has ${bytes} bytes; at most ${maxBytes} are allowed.`;
  return { place, customId, code: 'line_too_long', message };
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
