import type { BlobRef, BlobSlice } from './blobs.ts';
import type { ResultPart } from './shard-queue.ts';

/** The result lines of a batch page by page, while it runs and when it has ended: a view, of which nothing is kept. */
export interface ResultPages {
  /**
   * The next lines of one kind from a place on, in input order: those of the first shard from there that has any. Of an open shard they are
   * what its journal holds, the first outcome of each ordinal, as its commit will write them; a committed shard names its parts one by one.
   *
   * Outcomes never change, so pages read one after the other fit together whatever happened between them, and a line that came after the
   * reader had passed its place is not in them. Null if the batch is unknown, deleted or in another workspace, also when it was there for the
   * page before.
   */
  readResults(workspaceId: string, batchId: string, asked: ResultPageAsked): Promise<ResultPage | null>;
}

export interface ResultPageAsked {
  readonly kind: ResultPart['kind'];
  readonly from: ResultPlace;
  /** Of journaled lines in a page; a longer line is a page of its own. */
  readonly mostBytes: number;
}

/** How far a reader is. */
export interface ResultPlace {
  /** Number of the shard. */
  readonly shard: number;
  /** Where it goes on among the parts of that shard, once it is committed. */
  readonly part: number;
  /** Of an open shard, lines of smaller ordinals are behind the reader. */
  readonly ordinal: number;
}

/** The place of the first line. */
export const FIRST_PLACE: ResultPlace = { shard: 0, part: 0, ordinal: 0 };

export type ResultPage =
  /** Lines of an open shard by ordinal. Empty where all of them are behind the reader. */
  | { readonly kind: 'journaled'; readonly lines: readonly JournaledLine[]; readonly next: ResultPlace }
  /**
   * A part of a committed shard, whole: whoever has read lines of the shard while it was open finds them again at its beginning. `next` leaves
   * the ordinal as it was.
   */
  | { readonly kind: 'committed'; readonly blob: BlobRef; readonly next: ResultPlace }
  /** Nothing more is known yet. */
  | { readonly kind: 'caught-up' }
  /** All lines lie in the result file now; null if there is none. */
  | { readonly kind: 'ended'; readonly fileId: string | null };

/** A finished line, line break included. */
export interface JournaledLine {
  readonly ordinal: number;
  /** An object if it is longer than 256 KiB or was folded. The object of a fold is released when its shard is committed. */
  readonly line: BlobSlice;
}
