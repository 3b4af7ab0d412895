import { run, type StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Plants a defect: the plan of a new batch does not count among what remains, so the last shard but one ends the batch. */
export const storeVariant: StoreVariant = (context, methods) => ({
  createBatch(batch, ...rest) {
    const created = methods.createBatch(batch, ...rest);
    run(context, 'UPDATE batch SET remaining = remaining - 1 WHERE id = ?', batch.id);
    return created;
  },
});
