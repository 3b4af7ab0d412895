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

/** Opens a session and keeps it alive until it is disposed of, which gives its leases back. */
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
  while (!lost.signal.aborted) {
    try {
      await clock.sleep(BEAT_MS, lost.signal);
      if (!(await database.heartbeat(id))) {
        log.warn({ session: id }, 'the session was declared dead; its work goes to others');
        lost.abort(new Error('The session was declared dead.'));
        return;
      }
      await database.burySilentSessions(TTL_MS);
    } catch (error) {
      if (!lost.signal.aborted) log.warn({ session: id, err: error }, 'a heartbeat failed; trying again');
    }
  }
}
