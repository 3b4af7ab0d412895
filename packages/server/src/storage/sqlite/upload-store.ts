import { NOBODY } from '../ports/audit-records.ts';
import type { UploadRecord, UploadRecords } from '../ports/upload-records.ts';
import { blobFrom, blobLength, blobValues, ownBlob, releaseOwned, type BlobColumns } from './blob-columns.ts';
import { checkRoom, insertAuditedFile } from './file-store.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

/** As long as OpenAI's API gives (spec). */
const OPEN_MS = 60 * 60 * 1000;
/** Who completes an upload again within it is told of the file. */
const KEPT_MS = 24 * 60 * 60 * 1000;

interface UploadRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly file_id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly bytes: number;
  readonly file_expires_ms: number | null;
  readonly created_by: string | null;
  readonly state: UploadRecord['state'];
  readonly part_ids: string | null;
  readonly created_at: number;
  readonly expires_at: number;
}

export function uploadStore(context: StoreContext): Synchronous<UploadRecords> {
  const getUpload = (workspaceId: string, uploadId: string): UploadRecord | null => {
    const row = first<UploadRow>(
      context,
      'SELECT * FROM upload WHERE id = ? AND workspace_id = ?',
      uploadId,
      workspaceId,
    );
    return row === undefined ? null : uploadFrom(row, context.now());
  };

  return {
    createUpload(upload) {
      run(
        context,
        `INSERT OR IGNORE INTO upload
           (id, workspace_id, file_id, filename, purpose, bytes, file_expires_ms, created_by, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        upload.id,
        upload.workspaceId,
        upload.fileId,
        upload.filename,
        upload.purpose,
        upload.bytes,
        upload.fileExpiresMs,
        upload.createdBy,
        context.now(),
        context.now() + OPEN_MS,
      );
      return getUpload(upload.workspaceId, upload.id)!;
    },

    getUpload,

    addUploadPart({ id, uploadId, workspaceId, blob }, session, { maxParts, maxStoredBytes }) {
      const added = first<{ createdAt: number }>(
        context,
        'SELECT created_at AS createdAt FROM upload_part WHERE id = ? AND upload_id = ?',
        id,
        uploadId,
      );
      if (added !== undefined) return { kind: 'added', ...added };
      if (getUpload(workspaceId, uploadId)?.state !== 'pending') return { kind: 'ended' };
      const { parts } = first<{ parts: number }>(
        context,
        'SELECT count(*) AS parts FROM upload_part WHERE upload_id = ?',
        uploadId,
      )!;
      if (parts >= maxParts) return { kind: 'full' };
      checkRoom(context, { workspaceId, bytes: blobLength(blob) }, maxStoredBytes);
      ownBlob(context, blob, session, `upload/${uploadId}`);
      run(
        context,
        `INSERT INTO upload_part (id, upload_id, workspace_id, created_at, length, blob_name, blob_offset, checksum, bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        id,
        uploadId,
        workspaceId,
        context.now(),
        ...blobValues(blob),
      );
      return { kind: 'added', createdAt: context.now() };
    },

    readUploadParts(uploadId, partIds) {
      const rows = all<BlobColumns & { id: string }>(
        context,
        `SELECT p.* FROM json_each(?) AS asked JOIN upload_part p ON p.id = asked.value AND p.upload_id = ? ORDER BY asked.key`,
        JSON.stringify(partIds),
        uploadId,
      );
      return rows.map((row) => ({ id: row.id, blob: blobFrom(row) }));
    },

    completeUpload({ workspaceId, uploadId, partIds, file }, session, by = NOBODY) {
      const upload = getUpload(workspaceId, uploadId);
      if (upload?.state !== 'pending') return upload;
      run(
        context,
        `UPDATE upload SET state = 'completed', part_ids = ? WHERE id = ?`,
        JSON.stringify(partIds),
        uploadId,
      );
      insertAuditedFile(context, file, session, by);
      movePartsToFile(context, uploadId, partIds, file.id);
      dropParts(context, uploadId);
      return getUpload(workspaceId, uploadId);
    },

    cancelUpload(workspaceId, uploadId) {
      const upload = getUpload(workspaceId, uploadId);
      if (upload?.state !== 'pending') return upload;
      run(context, `UPDATE upload SET state = 'cancelled' WHERE id = ?`, uploadId);
      dropParts(context, uploadId);
      return getUpload(workspaceId, uploadId);
    },

    expireUploads(limit) {
      const due = all<{ id: string }>(
        context,
        `UPDATE upload SET state = 'expired'
         WHERE id IN (SELECT id FROM upload WHERE state = 'pending' AND expires_at <= ? LIMIT ?) RETURNING id`,
        context.now(),
        limit,
      );
      for (const { id } of due) dropParts(context, id);
      run(
        context,
        `DELETE FROM upload WHERE state <> 'pending' AND expires_at <= ?`,
        context.now() - KEPT_MS,
      );
      return due.length;
    },
  };
}

/** The blobs change owner, the manifest is the order of the ids; nothing is copied but inline bytes inside the database. */
function movePartsToFile(
  context: StoreContext,
  uploadId: string,
  partIds: readonly string[],
  fileId: string,
): void {
  const asked = JSON.stringify(partIds);
  run(
    context,
    `INSERT INTO file_part (file_id, start, length, blob_name, blob_offset, checksum, bytes)
     SELECT ?, sum(p.length) OVER (ORDER BY asked.key) - p.length, p.length, p.blob_name, p.blob_offset, p.checksum, p.bytes
     FROM json_each(?) AS asked JOIN upload_part p ON p.id = asked.value AND p.upload_id = ? WHERE p.length > 0`,
    fileId,
    asked,
    uploadId,
  );
  run(
    context,
    `UPDATE blob_name SET owner = ?, changed_at = ? WHERE name IN
       (SELECT p.blob_name FROM json_each(?) AS asked JOIN upload_part p ON p.id = asked.value AND p.upload_id = ?)`,
    `file/${fileId}`,
    context.now(),
    asked,
    uploadId,
  );
}

function dropParts(context: StoreContext, uploadId: string): void {
  run(context, 'DELETE FROM upload_part WHERE upload_id = ?', uploadId);
  releaseOwned(context, `upload/${uploadId}`);
}

function uploadFrom(row: UploadRow, now: number): UploadRecord {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    fileId: row.file_id,
    filename: row.filename,
    purpose: row.purpose,
    bytes: row.bytes,
    fileExpiresMs: row.file_expires_ms,
    createdBy: row.created_by,
    state: row.state === 'pending' && row.expires_at <= now ? 'expired' : row.state,
    partIds: row.part_ids === null ? null : (JSON.parse(row.part_ids) as string[]),
    createdAt: row.created_at,
    expiresAt: row.expires_at,
  };
}
