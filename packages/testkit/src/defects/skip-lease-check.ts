import { journalStore } from '@bora/server/storage/sqlite/journal-store';
import type { StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** One half of a defect, for a caller that reads the lease before it writes: the write itself does not look at it. */
export const storeVariant: StoreVariant = (context) => {
  const careless = {
    ...context,
    sql: (text: string) => context.sql(text.replaceAll('epoch = ? AND session = ?', `? > 0 AND ? <> ''`)),
  };
  return { appendJournal: (session, rows) => journalStore(careless).appendJournal(session, rows) };
};
