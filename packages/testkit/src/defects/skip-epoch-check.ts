import { journalStore } from '@bora/server/storage/sqlite/journal-store';
import { shardStore } from '@bora/server/storage/sqlite/shard-store';
import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Plants a defect: whoever holds a shard may write under any earlier lease of it. */
export const storeVariant: StoreVariant = (context) => {
  const careless = {
    ...context,
    sql: (text: string) => context.sql(text.replaceAll('epoch = ? AND session', '? > 0 AND session')),
  };
  return { ...journalStore(careless), ...shardStore(careless) };
};
