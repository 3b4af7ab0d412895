import type { Journal, JournalIndexRow, JournalRow, Outcome, ShardLease } from '../ports/journal.ts';
import type { BlobRef } from '../ports/blobs.ts';
import { ownBlob } from './blob-columns.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

export function journalStore(context: StoreContext): Synchronous<Journal> {
  return {
    appendJournal(session, rows) {
      const results = rows.map((row) => appendRow(context, session, row));
      context.inJournalTransaction();
      return results;
    },

    readJournalIndex(lease) {
      if (!isLeased(context, lease)) return null;
      const rows = all<{ epoch: number; sequence: number; outcomes: string; length: number }>(
        context,
        `SELECT epoch, sequence, outcomes, length(bytes) AS length FROM journal
         WHERE shard_id = ? ORDER BY epoch, sequence`,
        lease.shardId,
      );
      return rows.map(({ epoch, sequence, outcomes, length }): JournalIndexRow => {
        return { epoch, sequence, length, outcomes: decodeOutcomes(outcomes) };
      });
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
function appendRow(context: StoreContext, session: string, row: JournalRow): 'accepted' | 'fenced' {
  const inserted = run(
    context,
    'INSERT OR IGNORE INTO journal (shard_id, epoch, sequence, outcomes, bytes) SELECT ?, ?, ?, ?, ? FROM shard WHERE id = ?',
    row.shardId,
    row.epoch,
    row.sequence,
    encodeOutcomes(row.outcomes),
    row.bytes,
    row.shardId,
  );
  if (inserted === 0) return isJournaled(context, row) ? 'accepted' : 'fenced';

  const sums = { succeeded: 0, failed: 0, inputTokens: 0, outputTokens: 0 };
  for (const outcome of row.outcomes) {
    sums[outcome.kind] += 1;
    sums.inputTokens += outcome.inputTokens;
    sums.outputTokens += outcome.outputTokens;
  }
  const counted = run(
    context,
    `UPDATE shard SET succeeded = succeeded + ?, failed = failed + ?, input_tokens = input_tokens + ?,
       output_tokens = output_tokens + ? WHERE id = ? AND epoch = ? AND session = ?`,
    sums.succeeded,
    sums.failed,
    sums.inputTokens,
    sums.outputTokens,
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
  if (row.sequence === 0) {
    run(context, 'UPDATE shard SET has_journal = 1 WHERE id = ? AND has_journal = 0', row.shardId);
  }
  for (const { blob } of row.outcomes) {
    if (blob !== null) ownBlob(context, blob, session, `shard/${row.shardId}`);
  }
  return 'accepted';
}

function isJournaled(context: StoreContext, row: JournalRow): boolean {
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

type EncodedOutcome = [
  ordinal: number,
  succeeded: 0 | 1,
  length: number,
  inputTokens: number,
  outputTokens: number,
  error?: string | null,
  blob?: BlobRef | null,
];

function encodeOutcomes(outcomes: readonly Outcome[]): string {
  return JSON.stringify(
    outcomes.map((outcome): EncodedOutcome => {
      const { ordinal, kind, length, inputTokens, outputTokens, error, blob } = outcome;
      const always = [ordinal, kind === 'succeeded' ? 1 : 0, length, inputTokens, outputTokens] as const;
      return error === null && blob === null ? [...always] : [...always, error, blob];
    }),
  );
}

function decodeOutcomes(text: string): Outcome[] {
  const encoded = JSON.parse(text) as EncodedOutcome[];
  return encoded.map(([ordinal, succeeded, length, inputTokens, outputTokens, error = null, blob = null]) => {
    const kind = succeeded === 1 ? 'succeeded' : 'failed';
    return { ordinal, kind, length, inputTokens, outputTokens, error, blob };
  });
}
