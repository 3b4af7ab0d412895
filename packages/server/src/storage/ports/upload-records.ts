import type { Actor } from './audit-records.ts';
import type { BlobRef } from './blobs.ts';
import type { NewFile } from './file-records.ts';

/**
 * Uploads: files that come in parts, in any order and several at once. Each part is a blob that the upload owns until it is completed;
 * then the file owns those that it is made of, and the others are released. Nothing is copied.
 */
export interface UploadRecords {
  /** Creates an upload, which is `pending` for an hour. Repeating it with the same id answers the existing one. */
  createUpload(upload: NewUpload): Promise<UploadRecord>;

  /** Null if unknown or in another workspace. */
  getUpload(workspaceId: string, uploadId: string): Promise<UploadRecord | null>;

  /**
   * Adds a part to a pending upload and takes ownership of its blob from the session, in one transaction; once resolved it may be
   * acknowledged. Repeating it with the same id answers the same. `ended` and `full` leave the blob with the session.
   * Rejects with `BlobNotWritten` if the blob's name is not `writing(session)`, and with `WorkspaceFull` if files and parts of the
   * workspace would then hold more than `maxStoredBytes`.
   */
  addUploadPart(part: NewUploadPart, session: string, limits: UploadPartLimits): Promise<AddedPart>;

  /** Parts of a pending upload by id, in the order asked for; ids that it does not have are left out. */
  readUploadParts(uploadId: string, partIds: readonly string[]): Promise<UploadPart[]>;

  /**
   * Completes a pending upload in one transaction: makes its file of the parts in the order given, takes their blobs and the cuts, and
   * releases all other parts. The parts must be the upload's, each once. An upload that is not pending stays as it is. Answers the
   * upload as it is afterwards, or null as `getUpload`. Rejects with `BlobNotWritten` as `createFile`. Audited.
   */
  completeUpload(completion: UploadCompletion, session: string, by?: Actor): Promise<UploadRecord | null>;

  /** Cancels a pending upload and releases its parts; another stays as it is. Answers it as it is afterwards, or null as `getUpload`. */
  cancelUpload(workspaceId: string, uploadId: string): Promise<UploadRecord | null>;

  /**
   * Ends pending uploads whose time is up, releases their parts, and forgets uploads a day after their time. Returns how many
   * expired.
   */
  expireUploads(limit: number): Promise<number>;
}

export interface NewUpload {
  readonly id: string;
  readonly workspaceId: string;
  /** Of the file to be. */
  readonly fileId: string;
  readonly filename: string;
  readonly purpose: string;
  /** What the parts of the file must have in sum. */
  readonly bytes: number;
  /** The file expires so long after it was made; null: never. */
  readonly fileExpiresMs: number | null;
  readonly createdBy: string | null;
}

export interface UploadRecord extends NewUpload {
  /** `expired` from the moment on that its time is up, before anybody sweeps. */
  readonly state: 'pending' | 'completed' | 'cancelled' | 'expired';
  /** Of a completed one, as they were given; else null. */
  readonly partIds: readonly string[] | null;
  readonly createdAt: number;
  readonly expiresAt: number;
}

export interface NewUploadPart {
  readonly id: string;
  readonly uploadId: string;
  readonly workspaceId: string;
  readonly blob: BlobRef;
}

export interface UploadPartLimits {
  /** Of one upload. */
  readonly maxParts: number;
  readonly maxStoredBytes: number | null;
}

export type AddedPart =
  | { readonly kind: 'added'; readonly createdAt: number }
  | { readonly kind: 'ended' | 'full' };

export interface UploadPart {
  readonly id: string;
  readonly blob: BlobRef;
}

export interface UploadCompletion {
  readonly workspaceId: string;
  readonly uploadId: string;
  readonly partIds: readonly string[];
  readonly file: Omit<NewFile, 'manifest'>;
}
