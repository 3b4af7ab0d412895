import type { Attempts, HeldAgainst } from '../ports/attempts.ts';
import { isLeased } from './journal-store.ts';
import { all, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

export function attemptStore(context: StoreContext): Synchronous<Attempts> {
  return {
    recordAttempts(session, attempts) {
      for (const { shardId, epoch, ordinal, faults, crashes } of attempts) {
        run(
          context,
          `INSERT INTO attempt (shard_id, ordinal, faults, crashes)
           SELECT id, ?, ?, ? FROM shard WHERE id = ? AND epoch = ? AND session = ?
           ON CONFLICT DO UPDATE SET faults = max(faults, excluded.faults), crashes = max(crashes, excluded.crashes)`,
          ordinal,
          faults,
          crashes,
          shardId,
          epoch,
          session,
        );
      }
    },

    markSending(lease, ordinal) {
      if (!isLeased(context, lease)) return false;
      clearSending(context, lease.shardId);
      if (ordinal === null) return true;
      run(
        context,
        `INSERT INTO attempt (shard_id, ordinal, sending) VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET sending = 1`,
        lease.shardId,
        ordinal,
      );
      return true;
    },

    readAttempts(lease) {
      if (!isLeased(context, lease)) return null;
      return all<HeldAgainst>(
        context,
        'SELECT ordinal, faults, crashes, deaths FROM attempt WHERE shard_id = ? ORDER BY ordinal',
        lease.shardId,
      );
    },
  };
}

export function clearSending(context: StoreContext, shardId: number): void {
  run(context, 'UPDATE attempt SET sending = 0 WHERE shard_id = ? AND sending = 1', shardId);
}
