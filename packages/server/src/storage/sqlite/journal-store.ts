import type { JournalKey, ShardLease } from '../ports/journal.ts';
import { ownBlob } from './blob-columns.ts';
import type { EncodedIndexRow, EncodedJournalRow } from './journal-encoding.ts';
import { all, first, run, type StoreContext } from './store-context.ts';

/** The journal as the thread keeps it; see journal-encoding.ts for what the caller's side turns it into. */
export interface JournalStore {
  appendJournal(session: string, rows: readonly EncodedJournalRow[]): ('accepted' | 'fenced')[];
  readJournalIndex(lease: ShardLease): EncodedIndexRow[] | null;
  readJournalBytes(lease: ShardLease, rows: readonly JournalKey[]): Uint8Array[] | null;
}

/**
 * CPU per outcome of 1 KiB in the thread, 64 KiB to a transaction, append to commit, on one core of the build machine: 3.1 µs over
 * one shard, 5 over 8, 20 over 64. SQLite's own cost per row and per page is what remains; a larger page cache or WAL
 * between checkpoints changed nothing.
 */
export function journalStore(context: StoreContext): JournalStore {
  return {
    appendJournal(session, rows) {
      const results = rows.map((row) => appendRow(context, session, row));
      context.inJournalTransaction();
      return results;
    },

    readJournalIndex(lease) {
      if (!isLeased(context, lease)) return null;
      return all<EncodedIndexRow>(
        context,
        `SELECT epoch, sequence, outcomes, length(bytes) AS length FROM journal
         WHERE shard_id = ? ORDER BY epoch, sequence`,
        lease.shardId,
      );
    },

    readJournalBytes(lease, rows) {
      if (!isLeased(context, lease)) return null;
      return rows.map(({ epoch, sequence }) => {
        const row = first<{ bytes: Buffer }>(
          context,
          'SELECT bytes FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ?',
          lease.shardId,
          epoch,
          sequence,
        );
        if (row === undefined)
          throw new Error(`Journal row ${lease.shardId}/${epoch}/${sequence} is missing.`);
        return row.bytes;
      });
    },
  };
}

/**
 * Inserts a row, then raises the shard's counts under the lease check; if that changes no row, the insert is taken back. So counts
 * rise exactly when a row was inserted, and both are in the transaction that the caller commits.
 */
function appendRow(context: StoreContext, session: string, row: EncodedJournalRow): 'accepted' | 'fenced' {
  const inserted = run(
    context,
    'INSERT OR IGNORE INTO journal (shard_id, epoch, sequence, outcomes, bytes) SELECT ?, ?, ?, ?, ? FROM shard WHERE id = ?',
    row.shardId,
    row.epoch,
    row.sequence,
    row.outcomes,
    row.bytes,
    row.shardId,
  );
  if (inserted === 0) return isJournaled(context, row) ? 'accepted' : 'fenced';

  const counted = run(
    context,
    `UPDATE shard SET succeeded = succeeded + ?, failed = failed + ?, input_tokens = input_tokens + ?,
       output_tokens = output_tokens + ? WHERE id = ? AND epoch = ? AND session = ?`,
    row.succeeded,
    row.failed,
    row.inputTokens,
    row.outputTokens,
    row.shardId,
    row.epoch,
    session,
  );
  if (counted === 0) {
    run(
      context,
      'DELETE FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ?',
      row.shardId,
      row.epoch,
      row.sequence,
    );
    return 'fenced';
  }
  // Apart from the counts, because an UPDATE that names an indexed column touches its index each time.
  run(context, 'UPDATE shard SET has_journal = 1 WHERE id = ? AND has_journal = 0', row.shardId);
  for (const blob of row.blobs) ownBlob(context, blob, session, `shard/${row.shardId}`);
  return 'accepted';
}

function isJournaled(context: StoreContext, row: EncodedJournalRow): boolean {
  const found = first(
    context,
    'SELECT 1 FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ?',
    row.shardId,
    row.epoch,
    row.sequence,
  );
  return found !== undefined;
}

function isLeased(context: StoreContext, { shardId, epoch, session }: ShardLease): boolean {
  const found = first(
    context,
    'SELECT 1 FROM shard WHERE id = ? AND epoch = ? AND session = ?',
    shardId,
    epoch,
    session,
  );
  return found !== undefined;
}
