import type { UpstreamPause, UpstreamPauses } from '../ports/upstream-pauses.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

const SELECT_PAUSE = 'SELECT upstream, reason, paused_at AS pausedAt FROM upstream_pause';

export function upstreamPauseStore(context: StoreContext): Synchronous<UpstreamPauses> {
  return {
    pauseUpstream(upstream, reason) {
      run(
        context,
        `INSERT INTO upstream_pause (upstream, reason, paused_at) VALUES (?, ?, ?)
         ON CONFLICT (upstream) DO UPDATE SET reason = excluded.reason`,
        upstream,
        reason,
        context.now(),
      );
      return first<UpstreamPause>(context, `${SELECT_PAUSE} WHERE upstream = ?`, upstream)!;
    },

    resumeUpstream(upstream) {
      return run(context, 'DELETE FROM upstream_pause WHERE upstream = ?', upstream) === 1;
    },

    listUpstreamPauses() {
      return all<UpstreamPause>(context, `${SELECT_PAUSE} ORDER BY upstream`);
    },
  };
}
