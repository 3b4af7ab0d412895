import { journalStore } from '@bora/server/storage/sqlite/journal-store';
import { run, type StoreVariant } from '@bora/server/storage/sqlite/store-context';

/** Plants a defect: counts are committed before the rows that they count, so a crash in between shows progress that was lost. */
export const storeVariant: StoreVariant = (context) => ({
  appendJournal(session, rows) {
    const lift = (row: (typeof rows)[number], sign: 1 | -1): number =>
      run(
        context,
        `UPDATE shard SET succeeded = succeeded + ?, failed = failed + ? WHERE id = ? AND epoch = ? AND session = ?`,
        sign * row.succeeded,
        sign * row.failed,
        row.shardId,
        row.epoch,
        session,
      );
    for (const row of rows) lift(row, 1);
    context.db.exec('COMMIT');
    context.inJournalTransaction();
    context.db.exec('BEGIN IMMEDIATE');
    for (const row of rows) lift(row, -1);
    return journalStore({ ...context, inJournalTransaction: () => {} }).appendJournal(session, rows);
  },
});
