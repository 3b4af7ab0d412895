import type { Database } from '@bora/server/storage/ports/database';
import { openSqliteDatabase } from '@bora/server/storage/sqlite/open-sqlite-database';
import { SimulatedClock } from '../../simulated-clock.ts';
import { makeTemporaryFolder } from '../../temporary-folder.ts';
import type { OpenedDatabase } from './database-world.ts';

/** Opens an empty SQLite database for the contract, as it is or with a defect. */
export async function openEmptySqlite(
  storeVariant?: URL,
  wrap: (database: Database) => Database = (database) => database,
): Promise<OpenedDatabase> {
  const folder = await makeTemporaryFolder();
  const clock = new SimulatedClock();
  const variant = storeVariant === undefined ? {} : { storeVariant };
  const open = async () => wrap(await openSqliteDatabase({ folder: folder.path, clock, ...variant }));
  let database = await open();
  return {
    database,
    clock,
    async reopen() {
      await database[Symbol.asyncDispose]();
      database = await open();
      return database;
    },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
