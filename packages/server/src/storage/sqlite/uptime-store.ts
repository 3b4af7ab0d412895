import type { Uptime } from '../ports/uptime.ts';
import { NO_DEADLINE } from './deadlines.ts';
import { first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

export function uptimeStore(context: StoreContext): Synchronous<Uptime> {
  const noteUp = (): void => {
    run(
      context,
      'INSERT INTO uptime (id, up_at) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET up_at = excluded.up_at',
      context.now(),
    );
  };

  return {
    addDowntime(graceMs) {
      const now = context.now();
      const upAt = first<{ up_at: number }>(context, 'SELECT up_at FROM uptime')?.up_at ?? now;
      const down = now - upAt > graceMs ? now - upAt : 0;
      if (down > 0) {
        run(
          context,
          `UPDATE batch SET deadline_at = deadline_at + ? - max(?, created_at)
           WHERE state IN ('validating', 'queued', 'running') AND deadline_at < ? AND created_at < ?`,
          now,
          upAt,
          NO_DEADLINE,
          now,
        );
      }
      noteUp();
      return down;
    },

    noteUp,
  };
}
