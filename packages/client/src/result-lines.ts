import type { BatchJob, ResultLine } from './job-types.ts';
import { JobNotEnded } from './not-yet.ts';
import { splitLines } from './split-lines.ts';
import { isComplete } from './wait.ts';

/** A line of a result file, without its line break. */
export interface RawResultLine {
  /** Which file it lies in. */
  readonly file: 'output' | 'error';
  /** Place of its request over all input files, from 0; null if the line's id does not tell. */
  readonly ordinal: number | null;
  readonly bytes: Uint8Array;
}

/** Longest start of a line that holds the id if the id comes first, as Bora and Mistral write it. */
const ID_BYTES = 128;
const LINE_ID = /^batch-[0-9a-f]{8}-[0-9a-f]{8}-(\d+)$/;
const LINE_ID_FIRST = /^\s*\{\s*"id"\s*:\s*"(batch-[0-9a-f]{8}-[0-9a-f]{8}-\d+)"/;

/**
 * The lines of a job's output and error file in input order; see `inInputOrder`.
 * @throws JobNotEnded
 */
export async function* mergedResultLines(
  job: BatchJob,
  open: (fileId: string) => Promise<ReadableStream<Uint8Array>>,
): AsyncGenerator<RawResultLine, void, undefined> {
  if (!isComplete(job)) throw new JobNotEnded(job);
  const ids = { output: job.output_file, error: job.error_file };
  yield* inInputOrder(async (file) => (ids[file] === null ? null : await open(ids[file])));
}

/**
 * Merges output and error lines into input order. Each kind comes in that order itself and the ordinal ends each line's id, so two streams and
 * one line of each are all it holds. Where ids carry no ordinal, the output lines come first, then the error lines.
 */
export async function* inInputOrder(
  open: (file: RawResultLine['file']) => Promise<ReadableStream<Uint8Array> | null>,
): AsyncGenerator<RawResultLine, void, undefined> {
  const output = linesOf('output', open);
  const error = linesOf('error', open);
  try {
    let left = await output.next();
    let right = await error.next();
    while (!left.done || !right.done) {
      if (right.done || (!left.done && comesFirst(left.value, right.value))) {
        yield left.value as RawResultLine;
        left = await output.next();
      } else {
        yield right.value;
        right = await error.next();
      }
    }
  } finally {
    // A caller who stops early must not leave two downloads open.
    await output.return();
    await error.return();
  }
}

function comesFirst(output: RawResultLine, error: RawResultLine): boolean {
  return output.ordinal === null || error.ordinal === null || output.ordinal < error.ordinal;
}

async function* linesOf(
  file: RawResultLine['file'],
  open: (file: RawResultLine['file']) => Promise<ReadableStream<Uint8Array> | null>,
): AsyncGenerator<RawResultLine, void, undefined> {
  const stream = await open(file);
  if (stream === null) return;
  for await (const bytes of splitLines(stream))
    if (bytes.length > 0) yield { file, ordinal: ordinalOf(bytes), bytes };
}

function ordinalOf(line: Uint8Array): number | null {
  const start = new TextDecoder().decode(line.subarray(0, ID_BYTES));
  const id = LINE_ID_FIRST.exec(start)?.[1] ?? idAnywhere(line);
  const ordinal = id === null ? undefined : LINE_ID.exec(id)?.[1];
  return ordinal === undefined ? null : Number(ordinal);
}

function idAnywhere(line: Uint8Array): string | null {
  try {
    const { id } = JSON.parse(new TextDecoder().decode(line)) as Partial<ResultLine>;
    return typeof id === 'string' ? id : null;
  } catch {
    return null;
  }
}
