import type { FoldedRow, JournalKey, ShardLease } from '../ports/journal.ts';
import { ownBlob } from './blob-columns.ts';
import type { EncodedIndexRow, EncodedJournalRow } from './journal-encoding.ts';
import { all, first, run, type StoreContext } from './store-context.ts';

/** The journal as the thread keeps it; see journal-encoding.ts for what the caller's side turns it into. */
export interface JournalStore {
  appendJournal(session: string, rows: readonly EncodedJournalRow[]): ('accepted' | 'fenced')[];
  readJournalIndex(lease: ShardLease): EncodedIndexRow[] | null;
  readJournalBytes(lease: ShardLease, rows: readonly JournalKey[]): Uint8Array[] | null;
  foldJournal(lease: ShardLease, rows: readonly FoldedRow[]): 'folded' | 'fenced';
}

/**
 * CPU per outcome of 1 KiB in the thread, 64 KiB to a transaction, append to commit, on one core of the build machine: 3.1 µs over
 * one shard, 5 over 8, 20 over 64. SQLite's own cost per row and per page is what remains.
 */
export function journalStore(context: StoreContext): JournalStore {
  return {
    appendJournal(session, rows) {
      const results = rows.map((row) => appendRow(context, session, row));
      context.inJournalTransaction();
      for (const { bytes } of rows) giveBack(bytes);
      return results;
    },

    readJournalIndex(lease) {
      if (!isLeased(context, lease)) return null;
      return journalIndex(context, lease.shardId);
    },

    readJournalBytes(lease, rows) {
      if (!isLeased(context, lease)) return null;
      return rows.map(({ epoch, sequence }) => {
        const row = first<{ bytes: Buffer }>(
          context,
          'SELECT bytes FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ? AND blob_name IS NULL',
          lease.shardId,
          epoch,
          sequence,
        );
        if (row === undefined)
          throw new Error(`Journal row ${lease.shardId}/${epoch}/${sequence} is missing, or was folded.`);
        return row.bytes;
      });
    },

    foldJournal({ shardId, epoch, session }, rows) {
      const leased = run(
        context,
        'UPDATE shard SET epoch = epoch WHERE id = ? AND epoch = ? AND session = ?',
        shardId,
        epoch,
        session,
      );
      if (leased === 0) return rows.every((row) => isFolded(context, shardId, row)) ? 'folded' : 'fenced';
      for (const row of rows) foldRow(context, shardId, session, row);
      return 'folded';
    },
  };
}

/** Rows without their bytes, in order (epoch, sequence). */
export function journalIndex(context: StoreContext, shardId: number): EncodedIndexRow[] {
  return all<EncodedIndexRow>(
    context,
    `SELECT epoch, sequence, outcomes, coalesce(blob_length, length(bytes)) AS length,
       blob_name AS name, blob_offset AS offset, checksum FROM journal
     WHERE shard_id = ? ORDER BY epoch, sequence`,
    shardId,
  );
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
       output_tokens = output_tokens + ?, cached_tokens = cached_tokens + ?, reasoning_tokens = reasoning_tokens + ?
     WHERE id = ? AND epoch = ? AND session = ?`,
    row.succeeded,
    row.failed,
    row.inputTokens,
    row.outputTokens,
    row.cachedTokens,
    row.reasoningTokens,
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

/**
 * Frees bytes that were moved here and lie in the database now. Left to V8, up to 64 MB of them wait for a collection that this thread,
 * which makes little else, rarely needs.
 */
function giveBack({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

function foldRow(context: StoreContext, shardId: number, session: string, row: FoldedRow): void {
  const { epoch, sequence, blob } = row;
  ownBlob(context, blob, session, `shard/${shardId}`);
  const folded = run(
    context,
    `UPDATE journal SET bytes = x'', blob_name = ?, blob_offset = ?, blob_length = ?, checksum = ?
     WHERE shard_id = ? AND epoch = ? AND sequence = ? AND blob_name IS NULL AND length(bytes) = ?`,
    blob.name,
    blob.offset,
    blob.length,
    blob.checksum,
    shardId,
    epoch,
    sequence,
    blob.length,
  );
  if (folded === 0 && !isFolded(context, shardId, row)) {
    throw new Error(`Journal row ${shardId}/${epoch}/${sequence} cannot be folded into ${blob.name}.`);
  }
}

function isFolded(context: StoreContext, shardId: number, { epoch, sequence, blob }: FoldedRow): boolean {
  const found = first(
    context,
    `SELECT 1 FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ?
     AND blob_name = ? AND blob_offset = ? AND blob_length = ?`,
    shardId,
    epoch,
    sequence,
    blob.name,
    blob.offset,
    blob.length,
  );
  return found !== undefined;
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

/** The check before a read; writes carry it in their WHERE. */
export function isLeased(context: StoreContext, { shardId, epoch, session }: ShardLease): boolean {
  const found = first(
    context,
    'SELECT 1 FROM shard WHERE id = ? AND epoch = ? AND session = ?',
    shardId,
    epoch,
    session,
  );
  return found !== undefined;
}
