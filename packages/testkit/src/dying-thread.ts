import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Plants a defect: after a `ping` the thread of the database dies of an error that nobody catches. */
export const storeVariant: StoreVariant = () => ({
  ping() {
    setImmediate(() => {
      throw new Error('The planted defect broke out.');
    });
  },
});
