import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { StoreVariant } from '../src/storage/sqlite/store-context.ts';

/** SQLite's own default. */
const NO_LIMIT = 4_294_967_294;

/** While there is a file `full` beside the database, it cannot grow: SQLite itself refuses with SQLITE_FULL. */
export const storeVariant: StoreVariant = ({ db }, methods) => {
  const marker = `${dirname(db.name)}/full`;
  const limit = (): void => void db.pragma(`max_page_count = ${existsSync(marker) ? 1 : NO_LIMIT}`);
  return {
    appendJournal(...args) {
      limit();
      return methods.appendJournal(...args);
    },
    commitShards(...args) {
      limit();
      return methods.commitShards(...args);
    },
    createFile(...args) {
      limit();
      return methods.createFile(...args);
    },
  };
};
