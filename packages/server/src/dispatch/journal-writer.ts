import type { UnjournaledOutcomes } from '../batches/assemble-results.ts';
import type { StorageWaits } from '../batches/storage-waits.ts';
import type { BlobNamePool } from '../files/blob-names.ts';
import { whyNotStored } from '../files/storage-failure.ts';
import type { Journal, JournalRow, Outcome } from '../storage/ports/journal.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { OpenShard } from './open-shard.ts';

/** A row is not made larger than this, so that reading some of a shard's lines need not read all of them. */
const ROW_BYTES = 1024 * 1024;
/** With this much waiting a flush does not wait for company. More than a shard of 1,000 answers of 1 KiB, which may be done by then. */
const FLUSH_BYTES = 4 * 1024 * 1024;
/**
 * One transaction takes about this much and leaves the rest to the next: what it takes is in memory twice more until it is answered, as
 * rows here, to be offered again, and as their copies on the way to the database.
 */
const TRANSACTION_BYTES = 8 * 1024 * 1024;
const RETRY_MS = 500;

export interface JournalWriterOptions {
  readonly journal: Journal;
  readonly session: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly waits: StorageWaits;
  readonly delayMs: number;
  /** What may wait for the database; see `isFull`. */
  readonly maxUnjournaled: number;
  readonly maxUnjournaledBytes: number;
  /** Takes back the names of blobs in rows that were refused. */
  readonly names: Pick<BlobNamePool, 'release'>;
  /** Called after each flush for each shard that had rows in it. */
  readonly onSettled: (shard: OpenShard, result: 'accepted' | 'fenced') => void;
  /** Called when outcomes that were taken are settled: `isFull` may have changed. */
  readonly onRoom: () => void;
  /** Gives up when it aborts: the session is over, and what is not durable will be sent again by another. */
  readonly ended: AbortSignal;
}

/**
 * Gathers outcomes and journals them, those of all shards in one transaction, one transaction at a time: while one is being
 * written, the next one's company arrives.
 *
 * Invariant: rows keep their (shard, epoch, sequence) until the database has answered. After an error of unknown outcome the
 * very same rows are offered again, so an outcome is counted once however often the transaction is repeated.
 */
export class JournalWriter {
  readonly #options: JournalWriterOptions;
  readonly #pending = new Map<OpenShard, { outcomes: Outcome[]; lines: Uint8Array[] }>();
  #pendingBytes = 0;
  /** Outcomes added and not yet durable. */
  #unjournaled = 0;
  #unjournaledBytes = 0;
  #isFailing = false;
  #flushing: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;

  constructor(options: JournalWriterOptions) {
    this.#options = options;
  }

  /** More waits than should, or the database takes nothing: nothing new is to be sent or read until it has caught up. */
  get isFull(): boolean {
    const { maxUnjournaled, maxUnjournaledBytes } = this.#options;
    return (
      this.#isFailing || this.#unjournaled >= maxUnjournaled || this.#unjournaledBytes >= maxUnjournaledBytes
    );
  }

  /** Takes an outcome with its line (empty if it lies in a blob). It counts once `onSettled` was told. */
  add(shard: OpenShard, outcome: Outcome, line: Uint8Array): void {
    let pending = this.#pending.get(shard);
    if (pending === undefined) {
      pending = { outcomes: [], lines: [] };
      this.#pending.set(shard, pending);
    }
    pending.outcomes.push(outcome);
    pending.lines.push(line);
    shard.unjournaled += 1;
    this.#unjournaled += 1;
    this.#pendingBytes += line.length;
    this.#unjournaledBytes += line.length;
    this.#schedule();
  }

  /**
   * What waits of a shard, if with it the shard is complete: to be committed without a stay in the journal, which would
   * write each line, read it and delete it again. Null if something is missing still, or is being journaled, or lies in a blob,
   * which is the journal's to own. What is taken counts as waiting until it is settled.
   */
  takeLast(shard: OpenShard): UnjournaledOutcomes | null {
    if (shard.unjournaled !== shard.missing) return null;
    const pending = this.#pending.get(shard);
    if (pending === undefined || pending.outcomes.length !== shard.missing) return null;
    if (pending.outcomes.some(({ blob }) => blob !== null)) return null;
    this.#pending.delete(shard);
    const { outcomes, lines } = pending;
    const bytes = lines.reduce((sum, line) => sum + line.length, 0);
    this.#pendingBytes -= bytes;
    shard.countJournaled(outcomes.length, 0);
    let isSettled = false;
    return {
      outcomes,
      lines,
      sequence: shard.sequence++,
      isWhole: outcomes.length === shard.work.count,
      settle: () => {
        if (isSettled) return;
        isSettled = true;
        this.#unjournaled -= outcomes.length;
        this.#unjournaledBytes -= bytes;
        this.#options.onRoom();
      },
    };
  }

  /** Resolves when everything added so far and not taken is durable or fenced, or the session has ended. */
  async flushAll(): Promise<void> {
    while ((this.#pending.size > 0 || this.#flushing !== null) && !this.#options.ended.aborted) {
      this.#startFlush();
      await this.#flushing;
    }
  }

  #schedule(): void {
    if (this.#flushing !== null) return;
    if (this.#pendingBytes >= FLUSH_BYTES || this.isFull) {
      this.#startFlush();
      return;
    }
    this.#cancelTimer ??= this.#options.clock.after(this.#options.delayMs, () => {
      this.#cancelTimer = null;
      this.#startFlush();
    });
  }

  #startFlush(): void {
    if (this.#flushing !== null || this.#pending.size === 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = null;
      if (this.#pending.size > 0) this.#schedule();
    });
  }

  async #flush(): Promise<void> {
    const { rows, shards } = this.#takeRows();
    const results = await this.#append(rows);
    results?.forEach((result, place) => {
      const { outcomes, bytes } = rows[place];
      this.#unjournaled -= outcomes.length;
      this.#unjournaledBytes -= bytes.length;
      shards[place].countJournaled(outcomes.length, bytes.length);
      if (result === 'fenced') void this.#options.names.release(blobNamesOf(outcomes));
      this.#options.onSettled(shards[place], result);
    });
  }

  /** Null if the session ended first. */
  async #append(rows: readonly JournalRow[]): Promise<('accepted' | 'fenced')[] | null> {
    const { journal, session, clock, log, waits, ended } = this.#options;
    while (!ended.aborted) {
      try {
        const results = await journal.appendJournal(session, rows);
        this.#isFailing = false;
        waits.end('journal');
        return results;
      } catch (error) {
        if (ended.aborted) break;
        this.#isFailing = true;
        waits.begin('journal', `Answers cannot be journaled: ${whyNotStored(error)}`);
        log.warn({ err: error }, 'outcomes could not be journaled; trying again with the same rows');
        await clock.sleep(RETRY_MS, ended).catch(() => undefined);
      }
    }
    waits.end('journal');
    return null;
  }

  #takeRows(): { rows: JournalRow[]; shards: OpenShard[] } {
    const rows: JournalRow[] = [];
    const shards: OpenShard[] = [];
    let taken = 0;
    for (const [shard, { outcomes, lines }] of this.#pending) {
      let from = 0;
      while (from < outcomes.length && taken < TRANSACTION_BYTES) {
        let to = from;
        let bytes = 0;
        while (to < outcomes.length && (to === from || bytes + lines[to].length <= ROW_BYTES)) {
          bytes += lines[to++].length;
        }
        rows.push({
          shardId: shard.work.id,
          epoch: shard.work.epoch,
          sequence: shard.sequence++,
          outcomes: outcomes.slice(from, to),
          bytes: Buffer.concat(lines.slice(from, to), bytes),
        });
        shards.push(shard);
        taken += bytes;
        from = to;
      }
      if (from === outcomes.length) this.#pending.delete(shard);
      else this.#pending.set(shard, { outcomes: outcomes.slice(from), lines: lines.slice(from) });
      if (taken >= TRANSACTION_BYTES) break;
    }
    this.#pendingBytes -= taken;
    return { rows, shards };
  }
}

function blobNamesOf(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ blob }) => (blob?.kind === 'object' ? [blob.name] : []));
}
