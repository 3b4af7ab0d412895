import { LineSplitter } from '../bytes/line-splitter.ts';
import type { Line } from '../bytes/line-splitter.ts';
import { customIdOf } from '../bytes/request-line.ts';
import { readFileRange } from '../files/content.ts';
import type { ContentDependencies } from '../files/content.ts';
import type { ClaimedShard } from '../storage/ports/shard-queue.ts';
import type { RequestIdentity } from './lines/line-format.ts';

export interface UnansweredLine {
  readonly ordinal: number;
  readonly line: Uint8Array;
}

/**
 * The lines of those requests of a drained shard that have no outcome: what `write` makes of each. Reads the shard's part of its input
 * for their ids. They derive from it and from the batch alone, so whoever drains the shard again writes the same.
 */
export async function unansweredLines(
  deps: ContentDependencies,
  work: ClaimedShard,
  answered: ReadonlySet<number>,
  maxLineBytes: number,
  write: (request: RequestIdentity) => Uint8Array,
  signal?: AbortSignal,
): Promise<UnansweredLine[]> {
  const splitter = new LineSplitter({ start: work.start, number: work.firstLine, maxLineBytes });
  const lines: UnansweredLine[] = [];
  let ordinal = work.firstOrdinal;
  const take = (read: Iterable<Line>): void => {
    for (const { content, isBlank } of read) {
      if (isBlank) continue;
      if (!answered.has(ordinal)) {
        lines.push({ ordinal, line: write({ ordinal, customId: content && customIdOf(content) }) });
      }
      ordinal += 1;
    }
  };
  const end = work.start + work.length;
  for await (const chunk of readFileRange(deps, work.fileId, work.start, end, signal))
    take(splitter.push(chunk));
  take(splitter.finish());
  return lines;
}
