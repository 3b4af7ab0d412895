import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';

/**
 * Leaves every commit in the write-ahead log, one behind the other, so that the state as of any commit is the log cut off behind it.
 */
export const storeVariant: StoreVariant = ({ db }) => {
  db.pragma('wal_autocheckpoint = 0');
  return {};
};
