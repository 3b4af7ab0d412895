import type { ManifestPart } from './blob-names.ts';
import type { BlobRef } from './blobs.ts';

/**
 * A database at rest, read from end to end for damage. It holds the data folder while it is open, so that no Bora starts meanwhile, and
 * changes nothing but by `repair`. Nothing may be repaired while `files`, `ranges` or `damages` is being read.
 */
export interface Inspection extends Disposable {
  extent(): InspectedExtent;

  /** What contradicts itself within the database, whatever the bytes of its blobs are. */
  damages(): Iterable<Damage>;

  /** Files that are not deleted. */
  files(): Iterable<InspectedFile>;

  /** Every range of bytes that is no part of these files: cuts, results of open jobs, journals, what deleted files still have. */
  ranges(): Iterable<InspectedRange>;

  /** Whether there is a row for this name of an object, whatever its state. */
  knows(object: string): boolean;

  /** Repairs what `damages` said can be; one transaction. */
  repair(repairs: readonly DatabaseRepair[]): void;
}

export interface InspectedExtent {
  readonly files: number;
  readonly batches: number;
  /** Ranges of bytes that `files` and `ranges` will name, and their sum. */
  readonly ranges: number;
  readonly bytes: number;
}

export interface InspectedFile {
  readonly id: string;
  readonly bytes: number;
  readonly numLines: number | null;
  /** Lower-case hex MD5, for uploads. */
  readonly signature: string | null;
  readonly isResult: boolean;
  /** Requests by its line index; null without one. */
  readonly indexedRequests: number | null;
  readonly cuts: BlobRef | null;
  parts(): Iterable<ManifestPart>;
}

export interface InspectedRange {
  /** Whose bytes these are, for people: `shard 12 of job …`. */
  readonly subject: string;
  readonly blob: BlobRef;
  /** Line breaks that it must have; null where bytes are no lines. */
  readonly lines: number | null;
}

/**
 * What can be wrong:
 * - `database`: SQLite finds its file damaged, or a row refers to one that is not there
 * - `blob-missing`, `blob-short`, `blob-changed`: named bytes are gone, cut off, or not those that were written
 * - `blob-unowned`: a record names an object that collection may delete
 * - `counts`: counts, lines and shards do not agree
 * - `line-index`: a file is not what its line index, MD5 or line count says
 * - `stuck`: nothing would ever go on with it
 * - `orphan-bytes`: an object that the database does not know
 * - `leaked-name`: the name of an object that nothing names and nobody will collect
 * - `stray-journal`: a journal row of a shard that is done or gone
 */
export type DamageKind =
  | 'database'
  | 'blob-missing'
  | 'blob-short'
  | 'blob-changed'
  | 'blob-unowned'
  | 'counts'
  | 'line-index'
  | 'stuck'
  | 'orphan-bytes'
  | 'leaked-name'
  | 'stray-journal';

export interface Damage {
  readonly kind: DamageKind;
  /** A file, a job, a shard, an object. */
  readonly subject: string;
  readonly detail: string;
  /** Null: it cannot be repaired without losing something. */
  readonly repair: DatabaseRepair | BytesRepair | null;
}

export type DatabaseRepair =
  | { readonly kind: 'release-name'; readonly object: string }
  | { readonly kind: 'delete-journal'; readonly shardId: number };

export interface BytesRepair {
  readonly kind: 'remove-bytes';
  readonly path: string;
}

/** The finished objects of a blob store, as they lie there. */
export interface StoredObjects {
  /** Everything that lies where objects do. `name` is null where no object of that name is looked for. */
  list(): AsyncIterable<{ readonly path: string; readonly name: string | null }>;

  /** Null if it is not there. */
  size(name: string): Promise<number | null>;

  /** As `BlobStore.read`. */
  read(name: string, start: number, end: number, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /** Removes what `list` named. */
  remove(path: string): Promise<void>;
}
