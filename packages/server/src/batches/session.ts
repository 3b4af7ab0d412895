import type { Sessions } from '../storage/ports/sessions.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';

/** A session is declared dead after this long without a heartbeat; three beats fit in, so one lost beat does no harm. */
const TTL_MS = 30_000;
const BEAT_MS = TTL_MS / 3;

export interface OpenSession extends AsyncDisposable {
  readonly id: string;
  /** Aborts when the session was declared dead, or closed: nothing it writes will be taken any more. */
  readonly lost: AbortSignal;
}

/**
 * Opens a session and keeps it alive until it is disposed of, which gives its leases back.
 *
 * It buries others only after it has been awake and heard for as long as they may be silent: after a machine slept, or the
 * database did not answer, everybody is late, and whoever beats first would bury siblings that are as alive as itself.
 */
export async function openSession(database: Sessions, clock: Clock, log: Log): Promise<OpenSession> {
  const id = await database.openSession();
  const lost = new AbortController();
  void beat(database, id, clock, log, lost);
  return {
    id,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      lost.abort(new Error('The session is closed.'));
      await database.closeSession(id);
    },
  };
}

async function beat(
  database: Sessions,
  id: string,
  clock: Clock,
  log: Log,
  lost: AbortController,
): Promise<void> {
  let beatAt = clock.now();
  let buriesFrom = clock.elapsed() + TTL_MS;
  while (!lost.signal.aborted) {
    try {
      await clock.sleep(BEAT_MS, lost.signal);
      if (!(await database.heartbeat(id))) {
        log.warn({ session: id }, 'the session was declared dead; its work goes to others');
        lost.abort(new Error('The session was declared dead.'));
        return;
      }
      // By the clock on the wall: that of durations may stand still while a machine sleeps.
      if (clock.now() - beatAt > TTL_MS) buriesFrom = clock.elapsed() + TTL_MS;
      beatAt = clock.now();
      if (clock.elapsed() >= buriesFrom) await database.burySilentSessions(TTL_MS);
    } catch (error) {
      if (!lost.signal.aborted) log.warn({ session: id, err: error }, 'a heartbeat failed; trying again');
    }
  }
}
