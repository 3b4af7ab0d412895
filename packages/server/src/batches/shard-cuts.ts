import type { NewShard } from '../storage/ports/plan-and-finalise.ts';

/** A run of whole lines, as the line index stores it: the smallest thing that shards are made of. */
export interface CutGroup {
  readonly requests: number;
  /** Physical lines, blank ones included. */
  readonly lines: number;
  readonly bytes: number;
}

const SHARDS_WANTED = 64;
const MIN_REQUESTS = 16;
const MAX_REQUESTS = 1000;
const MAX_BYTES = 8 * 1024 * 1024;

/**
 * Requests per shard: total ÷ 64, at least 16, at most 1,000. Small batches get shards small enough to move between
 * workers, large ones shards large enough that a lease, a commit and an fsync are paid once per thousand answers.
 */
export function requestsPerShard(totalRequests: number): number {
  return Math.min(MAX_REQUESTS, Math.max(MIN_REQUESTS, Math.ceil(totalRequests / SHARDS_WANTED)));
}

/**
 * Cuts the inputs of a batch into shards, in input order. A shard never spans two files, and ends at a group's end once
 * the next group would pass `perShard` requests or 8 MiB. After `last` it goes on exactly behind that shard.
 */
export function* cutShards(
  inputs: Iterable<Iterable<CutGroup>>,
  perShard: number,
  last: NewShard | null,
): Generator<NewShard> {
  let number = last === null ? 0 : last.number + 1;
  let ordinal = last === null ? 0 : last.firstOrdinal + last.count;
  let input = -1;

  for (const groups of inputs) {
    input += 1;
    if (last !== null && input < last.input) continue;
    const resumeAt = last !== null && input === last.input ? last.start + last.length : 0;

    let offset = 0;
    let line = 1;
    let open = { start: 0, firstLine: 1, requests: 0 };
    const close = (): NewShard => {
      const shard = {
        number: number++,
        firstOrdinal: ordinal,
        count: open.requests,
        input,
        start: open.start,
        length: offset - open.start,
        firstLine: open.firstLine,
      };
      ordinal += open.requests;
      return shard;
    };

    for (const group of groups) {
      const full = open.requests + group.requests > perShard || offset - open.start + group.bytes > MAX_BYTES;
      if (open.requests > 0 && full) {
        yield close();
        open = { start: offset, firstLine: line, requests: 0 };
      }
      const isPlanned = offset < resumeAt;
      offset += group.bytes;
      line += group.lines;
      if (isPlanned || (open.requests === 0 && group.requests === 0)) {
        open = { start: offset, firstLine: line, requests: 0 };
      } else {
        open.requests += group.requests;
      }
    }
    if (open.requests > 0) yield close();
  }
}
