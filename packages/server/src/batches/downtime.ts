import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Uptime } from '../storage/ports/uptime.ts';

/** A kill loses at most this much of the time that a Bora was up: it counts as downtime. */
const NOTE_MS = 5_000;
const RETRY_MS = 1_000;

export interface UptimeDependencies {
  readonly database: Uptime;
  readonly clock: Clock;
  readonly log: Log;
}

/** Gives batches back the time in which no Bora was up. To be awaited before deadlines are looked at. */
export async function giveBackDowntime(deps: UptimeDependencies, signal: AbortSignal): Promise<void> {
  const { database, clock, log } = deps;
  while (!signal.aborted) {
    try {
      const downMs = await database.addDowntime(NOTE_MS);
      if (downMs > 0) log.info({ downMs }, 'Bora was down; deadlines move by that time');
      return;
    } catch (error) {
      log.error({ err: error }, 'the time of the last stop could not be read; trying again');
      await clock.sleep(RETRY_MS, signal).catch(() => undefined);
    }
  }
}

/** Notes now and then that a Bora is up, until `signal` aborts, and a last time then. */
export async function noteUptime(
  { database, clock, log }: UptimeDependencies,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(NOTE_MS, signal).catch(() => undefined);
    await database.noteUp().catch((error: unknown) => {
      log.warn({ err: error }, 'it could not be noted that Bora is up; trying again');
    });
  }
}
