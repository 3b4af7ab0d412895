import type { Database } from '../storage/ports/database.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';

/** Looks at least this often, so that a batch created meanwhile with an early deadline is seen in time. */
const LONGEST_SLEEP_MS = 1_000;
const BATCHES_PER_ROUND = 100;

export interface ExpiryDependencies {
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
}

/** Ends the time of batches whose deadline passes, until `signal` aborts. Draining them is the worker's. */
export async function runExpiry(deps: ExpiryDependencies, signal: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  while (!signal.aborted) {
    try {
      await expireDue(deps);
      await clock.sleep(LONGEST_SLEEP_MS, signal);
    } catch (error) {
      if (signal.aborted) return;
      log.error({ err: error }, 'deadlines could not be checked; trying again');
      await clock.sleep(LONGEST_SLEEP_MS, signal).catch(() => undefined);
    }
  }
}

async function expireDue({ database, clock, log, reachStopPoint }: ExpiryDependencies): Promise<void> {
  const next = await database.nextDeadline();
  if (next === null || next > clock.now()) return;
  for (const batchId of await database.expireBatches(BATCHES_PER_ROUND)) {
    log.info({ batch: batchId }, 'the deadline has passed');
    await reachStopPoint('expire.committed');
  }
}
