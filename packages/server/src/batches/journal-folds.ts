import { blobChecksum } from '../files/blob-checksum.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore, BlobWriter } from '../storage/ports/blobs.ts';
import type { FoldedRow, Journal, JournalIndexRow, ShardLease } from '../storage/ports/journal.ts';
import { Budget } from './budget.ts';
import { journalPages } from './journal-pages.ts';

/** Read and written in one go: what a fold holds in memory. */
const PAGE_BYTES = 1024 * 1024;

export interface FoldDependencies {
  readonly database: Journal;
  readonly blobs: Pick<BlobStore, 'create'>;
  readonly names: Pick<BlobNamePool, 'take' | 'release'>;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
}

/**
 * Folds journals of shards that stay open long or grow large: the bytes of rows move from the database to an object, and the rows
 * name their ranges of it. One shard at a time, so that a thousand parked at once neither fill the memory nor hold up commits.
 *
 * Each fold takes only the rows that the ones before it left, so a shard's bytes are copied once, whatever it grows to.
 */
export class JournalFolds {
  readonly #deps: FoldDependencies;
  readonly #place = new Budget(1);

  constructor(deps: FoldDependencies) {
    this.#deps = deps;
  }

  /** Never rejects: what cannot be folded (no room, the lease is gone) stays in its rows as it was. */
  async fold(lease: ShardLease, signal: AbortSignal): Promise<void> {
    using _place = await this.#place.take(1);
    if (signal.aborted) return;
    try {
      await this.#fold(lease, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#deps.log.warn(
        { shardId: lease.shardId, err: error },
        'a journal could not be folded; its answers stay in the database',
      );
    }
  }

  async #fold(lease: ShardLease, signal: AbortSignal): Promise<void> {
    const { database, blobs, names, reachStopPoint } = this.#deps;
    const index = (await database.readJournalIndex(lease)) ?? [];
    const rows = index.filter(({ blob, length }) => blob === null && length > 0);
    if (rows.length === 0) return;

    const name = await names.take();
    let writer: BlobWriter | null = null;
    try {
      writer = await blobs.create(name);
      const folded = await this.#write(lease, rows, name, writer, signal);
      await reachStopPoint('fold.after-blob');
      const result = folded === null ? 'fenced' : await database.foldJournal(lease, folded);
      if (result === 'fenced') await this.#drop(name, writer);
      else await reachStopPoint('fold.committed');
    } catch (error) {
      // If the transaction happened after all, the name is the shard's by now and stays.
      await this.#drop(name, writer);
      throw error;
    }
  }

  /** Null if the lease is gone. */
  async #write(
    lease: ShardLease,
    rows: readonly JournalIndexRow[],
    name: string,
    writer: BlobWriter,
    signal: AbortSignal,
  ): Promise<FoldedRow[] | null> {
    const folded: FoldedRow[] = [];
    let offset = 0;
    for (const page of journalPages(rows, PAGE_BYTES)) {
      signal.throwIfAborted();
      const read = await this.#deps.database.readJournalBytes(lease, page);
      if (read === null) return null;
      for (const [place, { epoch, sequence, length }] of page.entries()) {
        const checksum = blobChecksum(read[place]);
        folded.push({ epoch, sequence, blob: { kind: 'object', name, offset, length, checksum } });
        offset += length;
      }
      await writer.write(Buffer.concat(read));
    }
    await writer.finish();
    return folded;
  }

  async #drop(name: string, writer: BlobWriter | null): Promise<void> {
    await writer?.abandon();
    await this.#deps.names.release([name]);
  }
}
