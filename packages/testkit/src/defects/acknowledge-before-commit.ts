import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Longer than anybody waits before the kill. */
const COMMIT_EVERY_MS = 60_000;

/**
 * Plants a defect: calls are answered before their transaction is committed. All run as parts of one that is committed now and then, so
 * whoever asks sees everything, until the process dies.
 */
export const storeVariant: StoreVariant = ({ db }) => {
  db.exec('BEGIN IMMEDIATE');
  setInterval(() => db.exec('COMMIT; BEGIN IMMEDIATE'), COMMIT_EVERY_MS).unref();
  return {};
};
