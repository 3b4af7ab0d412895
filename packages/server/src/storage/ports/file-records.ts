import type { Actor } from './audit-records.ts';
import type { BlobRef } from './blobs.ts';
import type { ManifestPart } from './blob-names.ts';

/**
 * Files: an immutable ordered list of blobs (the manifest) plus what is known of the content. A file of the visibility `user` is
 * seen by its creator alone (`viewer`, as `creatorOf` names them); to others of the workspace it looks as if it were not there.
 * A `viewer` of null sees every file of the workspace.
 */
export interface FileRecords {
  /**
   * Creates a file and takes ownership of its blobs from the session, in one transaction. Once resolved, the
   * upload may be acknowledged. Repeating it with the same id answers the existing record.
   * Rejects with `BlobNotWritten` if a blob's name is not `writing(session)` (and the file does not exist yet), and with
   * `WorkspaceFull` if the workspace's files would then hold more than `maxStoredBytes`; counted in this transaction. Audited.
   */
  createFile(file: NewFile, session: string, by?: Actor, maxStoredBytes?: number | null): Promise<FileRecord>;

  /** Null if unknown, deleted, expired, in another workspace or another user's: these look the same from outside. */
  getFile(workspaceId: string, fileId: string, viewer: string | null): Promise<FileRecord | null>;

  /** In order of creation, files of the same millisecond by id. `total` counts all that match, wherever the page begins. */
  listFiles(workspaceId: string, filter: FileFilter): Promise<{ files: ListedFile[]; total: number | null }>;

  /**
   * The place of a file in its workspace's lists. It keeps it for a day after its purge, so that lists go on behind what is deleted
   * meanwhile. Null if there is none.
   */
  findFilePlace(workspaceId: string, fileId: string): Promise<FilePlace | null>;

  /**
   * Parts of the manifest from the one that holds byte `offset`, in order: at most `maxParts`, and inline bytes
   * up to about 1 MiB in sum. Works for hidden files too: running batches go on reading their inputs.
   */
  readManifest(fileId: string, offset: number, maxParts: number): Promise<ManifestPart[]>;

  /** The line index's cuts as they were stored, or null for a file that has none. Works for hidden files too. */
  readCuts(fileId: string): Promise<BlobRef | null>;

  /**
   * A file that a line of the batch names, in its `fileMember`. If the line index of an input has it, it was there when the batch was created:
   * it is found though it was deleted since, and its bytes stay until the batch has ended. Any other is found if the batch's creator
   * sees it now. Else null.
   */
  findNamedFile(batchId: string, fileId: string): Promise<FileRecord | null>;

  /**
   * Hides a file at once and queues its purge (which waits for batches that still read it, or whose lines name it). Audited.
   * False if there was nothing that `by` sees.
   */
  deleteFile(workspaceId: string, fileId: string, by?: Actor): Promise<boolean>;

  /** Hides files whose `expiresAt` has passed and queues their purge; forgets places of what was purged a day ago. Returns how many expired. */
  expireFiles(limit: number): Promise<number>;
}

/** What is known of a file. `purpose` and `sampleType` are the words of Mistral's API. */
export interface FileFacts {
  readonly id: string;
  readonly workspaceId: string;
  readonly filename: string;
  readonly purpose: string;
  readonly sampleType: string;
  readonly source: 'upload' | 'mistral';
  readonly mimetype: string | null;
  readonly bytes: number;
  /** Requests in a JSONL file (blank lines do not count), 0 for documents, null if unknown. */
  readonly numLines: number | null;
  /** Lower-case hex MD5 of the content for uploads; null for result files. */
  readonly signature: string | null;
  readonly visibility: 'workspace' | 'user';
  /** Who made it, as `creatorOf` names them; null without keys. */
  readonly createdBy: string | null;
  readonly lineIndex: LineIndexSummary | null;
}

export interface NewFile extends FileFacts {
  /** From its `createdAt` on; null = it is kept. */
  readonly expireMs: number | null;
  readonly manifest: readonly BlobRef[];
  /** Encoded cuts (see files/line-index.ts); null for a file without a line index. */
  readonly cuts: BlobRef | null;
  /** The files that its lines name, each (member, id) once. Default: none. */
  readonly references?: readonly FileReference[];
}

export interface FileRecord extends FileFacts {
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** A list has thousands, and each line index may have tens of KiB. */
export type ListedFile = Omit<FileRecord, 'lineIndex'>;

export type FilePlace = Pick<FileRecord, 'id' | 'createdAt'>;

/** What one pass over an uploaded JSONL file learned, besides the cuts. */
export interface LineIndexSummary {
  /** Format version of summary and cuts; 1. */
  readonly version: 1;
  /** Non-blank lines. */
  readonly requests: number;
  /** Lines that are no request at all (not JSON, no object, no `body` object, wrong `custom_id`), true number. */
  readonly badLines: number;
  /** The first 100 of them. `line` is physical and 1-based. */
  readonly firstBadLines: readonly { readonly line: number; readonly message: string }[];
  /**
   * For what some endpoint requires in `body` (`messages`, or one of `file_url|file_id`): how many bodies have it and the first line
   * without. An index of an older Bora may lack some.
   */
  readonly members: Readonly<
    Record<string, { readonly count: number; readonly firstWithout: number | null }>
  >;
  /** Distinct string `body.model` values with their counts; null if there were more than 100. */
  readonly models: Readonly<Record<string, number>> | null;
  /** Requests whose body has no string `model`; and the first such line. */
  readonly withoutModel: number;
  readonly firstWithoutModel: number | null;
  /** Some body says `"stream": true`. */
  readonly streamSeen: boolean;
  /** Files that bodies name (`FileReference`); null if they are too many to keep. An index of an older Bora lacks it. */
  readonly filesNamed?: number | null;
  /** An index of an older Bora lacks it: nothing is known of that then. */
  readonly envelope?: EnvelopeSummary;
}

/** What lines that are no bad ones have beside `body`. */
export interface EnvelopeSummary {
  /** Lines whose `custom_id` is a string. */
  readonly customIds: number;
  /** False: no `custom_id` comes twice. True: most likely one does, and only the lines can tell. */
  readonly idsMayRepeat: boolean;
  /** Lines by their `method` and by their `url`, where these are strings; null if there were more than 16 different ones. */
  readonly methods: Readonly<Record<string, number>> | null;
  readonly urls: Readonly<Record<string, number>> | null;
}

/** A file that lines of another file name. It need not exist. */
export interface FileReference {
  /** Where in the body: `file_id`, or `document.file_id`. */
  readonly member: string;
  readonly fileId: string;
  /** The first line that does; physical, 1-based. */
  readonly line: number;
}

export interface FileFilter {
  readonly viewer: string | null;
  /** Zero-based. */
  readonly page: number;
  readonly pageSize: number;
  readonly includeTotal: boolean;
  /** Only what comes behind this file in the order: a place in it stays the same for life. Default: from the first. */
  readonly after?: FilePlace;
  /** Default: newest first. */
  readonly order?: 'newest-first' | 'oldest-first';
  readonly sampleTypes?: readonly string[];
  readonly sources?: readonly string[];
  readonly mimetypes?: readonly string[];
  readonly purpose?: string;
  /** Substring of the file name, case-insensitive. */
  readonly search?: string;
}

/** A record names a blob that its session does not (or no longer) write. The caller's session was declared dead. */
export class BlobNotWritten extends Error {
  override readonly name = 'BlobNotWritten';
}

/** The workspace's files would hold more bytes than it may store. */
export class WorkspaceFull extends Error {
  override readonly name = 'WorkspaceFull';
}
