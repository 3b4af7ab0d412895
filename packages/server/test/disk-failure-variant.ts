import SqliteDatabase from 'better-sqlite3';
import type { StoreVariant } from '../src/storage/sqlite/store-context.ts';

let opened = 0;

/** Fails as after an fsync that failed, as long as the database is not opened anew; then answers how often it was. */
export const storeVariant: StoreVariant = () => {
  opened += 1;
  return {
    signingSecret() {
      if (opened === 1) throw new SqliteDatabase.SqliteError('disk I/O error', 'SQLITE_IOERR_FSYNC');
      return `opened ${opened} times`;
    },
  };
};
