import { first, run, type StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Plants a defect: a commit that is offered again, because its acknowledgment was dropped, is counted again. */
export const storeVariant: StoreVariant = (context, methods) => ({
  commitShards(session, commits) {
    for (const { shardId } of commits) {
      const done = first<{ batch_id: string; succeeded: number }>(
        context,
        `SELECT batch_id, succeeded FROM shard WHERE id = ? AND state = 'done'`,
        shardId,
      );
      if (done === undefined) continue;
      run(
        context,
        'UPDATE batch SET remaining = remaining - 1, succeeded = succeeded + ? WHERE id = ?',
        done.succeeded,
        done.batch_id,
      );
    }
    return methods.commitShards(session, commits);
  },
});
