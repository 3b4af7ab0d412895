import { randomUUID } from 'node:crypto';
import type { Sessions } from '../ports/sessions.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

export function sessionStore(context: StoreContext): Synchronous<Sessions> {
  return {
    openSession() {
      if (context.holdsFolder) {
        const dead = all<{ id: string }>(context, 'SELECT id FROM session WHERE boot <> ?', context.boot);
        for (const { id } of dead) bury(context, id);
      }
      const id = randomUUID();
      run(
        context,
        'INSERT INTO session (id, boot, heartbeat_at) VALUES (?, ?, ?)',
        id,
        context.boot,
        context.now(),
      );
      return id;
    },

    heartbeat(session) {
      return run(context, 'UPDATE session SET heartbeat_at = ? WHERE id = ?', context.now(), session) === 1;
    },

    burySilentSessions(ttlMs) {
      const silentSince = context.now() - ttlMs;
      const dead = all<{ id: string }>(context, 'SELECT id FROM session WHERE heartbeat_at < ?', silentSince);
      for (const { id } of dead) bury(context, id);
      return dead.length;
    },

    leasesOf(session) {
      return {
        shards: all(context, 'SELECT id AS shardId, epoch, session FROM shard WHERE session = ?', session),
        tasks: all(
          context,
          'SELECT id AS taskId, epoch, session FROM task WHERE session = ? AND done = 0',
          session,
        ),
      };
    },

    closeSession(session) {
      endLeases(context, session, 0);
    },
  };
}

export function isAlive(context: StoreContext, session: string): boolean {
  return first(context, 'SELECT 1 FROM session WHERE id = ?', session) !== undefined;
}

function bury(context: StoreContext, session: string): void {
  endLeases(context, session, 1);
}

/**
 * Without its row a session is dead for good: it gets no leases and no names, and what it still writes fails the checks
 * of leases and names. Epochs stay; the next claim raises them.
 */
function endLeases(context: StoreContext, session: string, deaths: number): void {
  run(
    context,
    `UPDATE attempt SET sending = 0, deaths = deaths + ?
     WHERE sending = 1 AND shard_id IN (SELECT id FROM shard WHERE session = ?)`,
    deaths,
    session,
  );
  const shards = run(
    context,
    `UPDATE shard SET state = 'queued', session = NULL, deaths = deaths + ? WHERE session = ?`,
    deaths,
    session,
  );
  const tasks = run(context, 'UPDATE task SET session = NULL WHERE session = ? AND done = 0', session);
  run(
    context,
    `UPDATE blob_name SET state = 'released', changed_at = ? WHERE owner = ? AND state = 'writing'`,
    context.now(),
    session,
  );
  run(context, 'DELETE FROM session WHERE id = ?', session);
  if (shards + tasks > 0) context.hint({ kind: 'work' });
}
