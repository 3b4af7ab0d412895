import type { UndeliveredAnswers } from '../ports/undelivered-answers.ts';
import { first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

const KEPT_MS = 10 * 60 * 1000;

export function undeliveredAnswerStore(context: StoreContext): Synchronous<UndeliveredAnswers> {
  return {
    recordUndelivered({ call, createdAs, objectId }) {
      run(context, 'DELETE FROM undelivered_answer WHERE missed_at <= ?', context.now() - KEPT_MS);
      run(
        context,
        'INSERT OR IGNORE INTO undelivered_answer (call, created_as, object_id, missed_at) VALUES (?, ?, ?, ?)',
        call,
        createdAs,
        objectId,
        context.now(),
      );
    },

    takeUndelivered(createdAs, call) {
      const row = first<{ object_id: string }>(
        context,
        `UPDATE undelivered_answer SET taken_by = :call WHERE call =
           (SELECT call FROM undelivered_answer
            WHERE created_as = :createdAs AND missed_at > :since AND (taken_by IS NULL OR taken_by = :call)
            ORDER BY taken_by IS NULL, missed_at LIMIT 1)
         RETURNING object_id`,
        { createdAs, call, since: context.now() - KEPT_MS },
      );
      return row?.object_id ?? null;
    },
  };
}
