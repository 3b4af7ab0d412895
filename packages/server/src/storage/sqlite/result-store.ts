import { isTerminal, type BatchState } from '../ports/batch-records.ts';
import type { BlobSlice } from '../ports/blobs.ts';
import { firstOutcomes, type PlacedOutcome } from '../ports/journal.ts';
import type { JournaledLine, ResultPage, ResultPageAsked, ResultPages } from '../ports/result-pages.ts';
import { blobFrom, blobLength, type BlobColumns } from './blob-columns.ts';
import { decodeIndexRow } from './journal-encoding.ts';
import { journalIndex } from './journal-store.ts';
import { first, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

interface ShardRow {
  readonly id: number;
  readonly number: number;
  readonly state: string;
}

export function resultStore(context: StoreContext): Synchronous<ResultPages> {
  return {
    readResults(workspaceId, batchId, asked) {
      const batch = first<{ state: BatchState; output: string | null; error: string | null }>(
        context,
        `SELECT state, output_file_id AS output, error_file_id AS error FROM batch
         WHERE id = ? AND workspace_id = ? AND hidden_at IS NULL`,
        batchId,
        workspaceId,
      );
      if (batch === undefined) return null;
      if (isTerminal(batch.state)) return { kind: 'ended', fileId: batch[asked.kind] };
      const shard = nextShard(context, batchId, asked);
      if (shard === undefined) return { kind: 'caught-up' };
      return shard.state === 'done'
        ? committedPage(context, shard, asked)
        : journaledPage(context, shard, asked);
    },
  };
}

/** The first shard from the place on that holds something of the kind which no page has named yet. */
function nextShard(context: StoreContext, batchId: string, asked: ResultPageAsked): ShardRow | undefined {
  return first<ShardRow>(
    context,
    `SELECT id, number, state FROM shard s WHERE batch_id = :batchId AND number >= :shard AND
       CASE state
         WHEN 'done' THEN EXISTS (SELECT 1 FROM shard_part WHERE shard_id = s.id AND kind = :kind
                                  AND (s.number > :shard OR position >= :part))
         ELSE iif(:kind = 'output', succeeded, failed) > 0
       END
     ORDER BY number LIMIT 1`,
    { batchId, kind: asked.kind, shard: asked.from.shard, part: asked.from.part },
  );
}

function committedPage(
  context: StoreContext,
  { id, number }: ShardRow,
  { kind, from }: ResultPageAsked,
): ResultPage {
  const part = first<BlobColumns & { position: number }>(
    context,
    `SELECT position, length, blob_name, blob_offset, checksum, bytes FROM shard_part
     WHERE shard_id = ? AND kind = ? AND position >= ? ORDER BY position LIMIT 1`,
    id,
    kind,
    number === from.shard ? from.part : 0,
  )!;
  const next = { shard: number, part: part.position + 1, ordinal: from.ordinal };
  return { kind: 'committed', blob: blobFrom(part), next };
}

function journaledPage(
  context: StoreContext,
  { id, number }: ShardRow,
  { kind, from, mostBytes }: ResultPageAsked,
): ResultPage {
  const wanted = kind === 'output' ? 'succeeded' : 'failed';
  const outcomes = [...firstOutcomes(journalIndex(context, id).map(decodeIndexRow)).values()]
    .filter(({ outcome }) => outcome.kind === wanted && outcome.ordinal >= from.ordinal)
    .toSorted((a, b) => a.outcome.ordinal - b.outcome.ordinal);
  const lines: JournaledLine[] = [];
  let bytes = 0;
  for (const placed of outcomes) {
    bytes += placed.outcome.length + (placed.outcome.blob === null ? 0 : blobLength(placed.outcome.blob));
    if (lines.length > 0 && bytes > mostBytes) break;
    lines.push({ ordinal: placed.outcome.ordinal, line: lineOf(context, id, placed) });
  }
  const ordinal = (lines.at(-1)?.ordinal ?? from.ordinal - 1) + 1;
  const isLast = lines.length === outcomes.length;
  return { kind: 'journaled', lines, next: { shard: isLast ? number + 1 : number, part: 0, ordinal } };
}

function lineOf(context: StoreContext, shardId: number, { outcome, row, offset }: PlacedOutcome): BlobSlice {
  if (outcome.blob !== null) return outcome.blob;
  if (row.blob !== null) return { ...row.blob, offset: row.blob.offset + offset, length: outcome.length };
  const { bytes } = first<{ bytes: Buffer }>(
    context,
    `SELECT substr(bytes, ?, ?) AS bytes FROM journal WHERE shard_id = ? AND epoch = ? AND sequence = ?`,
    offset + 1,
    outcome.length,
    shardId,
    row.epoch,
    row.sequence,
  )!;
  return { kind: 'inline', bytes };
}
