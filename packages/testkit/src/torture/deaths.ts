import { STOP_POINTS, type StopPoint } from '@bora/server/observe/stop-points';
import type { TortureBooks } from './books.ts';
import type { Wish } from './workload.ts';

/** How a life is to end. */
export interface Death {
  /** Null: at a random moment. */
  readonly point: StopPoint | null;
  /** At which time that the point is reached. */
  readonly hit: number;
  readonly wish: Wish;
  /** From the spawn on, so that starting is interrupted too; else from when everything was looked at. */
  readonly isEarly: boolean;
  readonly afterMs: number;
}

/** A point that is not reached by then is given up: the kill falls at this moment. */
const GIVEN_UP_MS = 8_000;
const LONGEST_MS = 2_500;
const START_MS = 900;
/** These are reached by the hundred in a life, and the first time is not the most interesting one. */
const HITS: Partial<Record<StopPoint, number>> = {
  'dispatch.answered': 200,
  'journal.in-transaction': 40,
  'claim.committed': 4,
  'commit.before-blobs': 10,
  'commit.after-blobs': 10,
  'fold.after-blob': 8,
  'fold.committed': 8,
};
const WISHES: Partial<Record<StopPoint, Wish>> = {
  'cancel.committed': 'cancel',
  'expire.committed': 'deadline',
};

/** Half of all kills at random moments, half at stop points, the rarest visited first. `only`: all at that one. */
export function chooseDeath(books: TortureBooks, random: () => number, only: StopPoint | null): Death {
  const point = only ?? (random() < 0.5 ? null : rarest(books, random));
  // Only a batch that an earlier death left in its stop is drained: in its own life its shards are held, and end by themselves.
  const reachable =
    point === 'drain.claimed' && !books.lastFound.some((found) => STOPPING.includes(found))
      ? 'cancel.committed'
      : point;
  const hit = 1 + Math.floor(random() * (reachable === null ? 1 : (HITS[reachable] ?? 1)));
  const wish = reachable === null ? null : (WISHES[reachable] ?? null);
  const isEarly = reachable === null && random() < 0.2;
  // As likely between 20 and 40 ms as between 1 and 2 s: much happens at first.
  const afterMs = isEarly ? random() * START_MS : Math.exp(random() * Math.log(LONGEST_MS));
  return { point: reachable, hit, wish, isEarly, afterMs: reachable === null ? afterMs : GIVEN_UP_MS };
}

const STOPPING = ['job cancelling', 'job expiring'];

function rarest({ aimed }: TortureBooks, random: () => number): StopPoint {
  const least = Math.min(...STOP_POINTS.map((point) => aimed[point] ?? 0));
  const points = STOP_POINTS.filter((point) => (aimed[point] ?? 0) === least);
  return points[Math.floor(random() * points.length)];
}
