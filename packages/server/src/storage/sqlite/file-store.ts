import type { Actor } from '../ports/audit-records.ts';
import { creatorOf, NOBODY } from '../ports/audit-records.ts';
import type { ManifestPart } from '../ports/blob-names.ts';
import type { FileFilter, FileRecord, FileRecords, ListedFile, NewFile } from '../ports/file-records.ts';
import { WorkspaceFull } from '../ports/file-records.ts';
import { audit } from './audit-store.ts';
import { blobFrom, blobLength, blobValues, ownBlob, type BlobColumns } from './blob-columns.ts';
import { insertReferences } from './file-references.ts';
import { findPlace, forgetPlaces } from './list-places.ts';
import { all, first, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';
import { addTask } from './task-store.ts';
import { storedFiles } from './workspace-usage.ts';

/** Inline bytes that one manifest page may carry. */
const PAGE_INLINE_BYTES = 1024 * 1024;

const LISTED_COLUMNS = `id, workspace_id, filename, purpose, sample_type, source, mimetype, bytes, num_lines, signature, visibility,
  expires_at, created_by, created_at`;

interface ListedRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly filename: string;
  readonly purpose: string;
  readonly sample_type: string;
  readonly source: 'upload' | 'mistral';
  readonly mimetype: string | null;
  readonly bytes: number;
  readonly num_lines: number | null;
  readonly signature: string | null;
  readonly visibility: 'workspace' | 'user';
  readonly expires_at: number | null;
  readonly created_by: string | null;
  readonly created_at: number;
}

interface FileRow extends ListedRow {
  readonly line_index: string | null;
}

export function fileStore(context: StoreContext): Synchronous<FileRecords> {
  const getFile = (workspaceId: string, fileId: string, viewer: string | null): FileRecord | null => {
    const row = first<FileRow>(
      context,
      `SELECT * FROM file WHERE id = :fileId AND workspace_id = :workspaceId AND hidden_at IS NULL
       AND (expires_at IS NULL OR expires_at > :now) AND ${seenBy(':viewer')}`,
      { fileId, workspaceId, viewer, now: context.now() },
    );
    return row === undefined ? null : fileFrom(row);
  };

  return {
    createFile(file, session, by = NOBODY, maxStoredBytes = null) {
      if (first(context, 'SELECT 1 FROM file WHERE id = ?', file.id) === undefined) {
        checkRoom(context, file, maxStoredBytes);
        insertAuditedFile(context, file, session, by);
        let start = 0;
        for (const blob of file.manifest) {
          const length = blobLength(blob);
          if (length === 0) continue;
          ownBlob(context, blob, session, `file/${file.id}`);
          run(
            context,
            `INSERT INTO file_part (file_id, start, length, blob_name, blob_offset, checksum, bytes)
             VALUES (?, ?, ?, ?, ?, ?, ?)`,
            file.id,
            start,
            ...blobValues(blob),
          );
          start += length;
        }
      }
      const row = first<FileRow>(context, 'SELECT * FROM file WHERE id = ?', file.id);
      return fileFrom(row!);
    },

    getFile,

    findNamedFile(batchId, fileId) {
      const row = first<FileRow>(
        context,
        `SELECT f.* FROM file f JOIN batch b ON b.id = :batchId AND b.workspace_id = f.workspace_id
         WHERE f.id = :fileId AND EXISTS (
           SELECT 1 FROM batch_input i JOIN file_reference r ON r.file_id = i.file_id
           WHERE i.batch_id = b.id AND r.named_id = f.id AND r.member = b.file_member)`,
        { batchId, fileId },
      );
      if (row !== undefined) return fileFrom(row);
      const batch = first<{ workspace_id: string; created_by: string | null }>(
        context,
        'SELECT workspace_id, created_by FROM batch WHERE id = ?',
        batchId,
      );
      return batch === undefined ? null : getFile(batch.workspace_id, fileId, batch.created_by);
    },

    listFiles(workspaceId, filter) {
      const { where, values } = fileConditions(context, workspaceId, filter);
      const { after, order = 'newest-first' } = filter;
      const [direction, behind] = order === 'newest-first' ? ['DESC', '<'] : ['ASC', '>'];
      const place = after === undefined ? [] : [after.createdAt, after.id];
      const rows = all<ListedRow>(
        context,
        `SELECT ${LISTED_COLUMNS} FROM file WHERE ${where} ${after === undefined ? '' : `AND (created_at, id) ${behind} (?, ?)`}
         ORDER BY created_at ${direction}, id ${direction} LIMIT ? OFFSET ?`,
        ...values,
        ...place,
        filter.pageSize,
        filter.page * filter.pageSize,
      );
      const total = filter.includeTotal
        ? first<{ total: number }>(context, `SELECT count(*) AS total FROM file WHERE ${where}`, ...values)!
            .total
        : null;
      return { files: rows.map(listedFrom), total };
    },

    findFilePlace: (workspaceId, fileId) => findPlace(context, 'file', workspaceId, fileId),

    readManifest(fileId, offset, maxParts) {
      const rows = all<BlobColumns & { start: number }>(
        context,
        `SELECT start, length, blob_name, blob_offset, checksum, bytes FROM file_part
         WHERE file_id = :file AND start + length > :offset
           AND start >= coalesce((SELECT max(start) FROM file_part WHERE file_id = :file AND start <= :offset), 0)
         ORDER BY start LIMIT :maxParts`,
        { file: fileId, offset, maxParts },
      );
      const parts: ManifestPart[] = [];
      let inlineBytes = 0;
      for (const row of rows) {
        parts.push({ start: row.start, length: row.length, blob: blobFrom(row) });
        inlineBytes += row.bytes?.length ?? 0;
        if (inlineBytes >= PAGE_INLINE_BYTES) break;
      }
      return parts;
    },

    readCuts(fileId) {
      const row = first<BlobColumns>(context, 'SELECT * FROM file_cuts WHERE file_id = ?', fileId);
      return row === undefined ? null : blobFrom(row);
    },

    deleteFile(workspaceId, fileId, by = NOBODY) {
      const hidden = first<Pick<FileRow, 'filename' | 'bytes'>>(
        context,
        `UPDATE file SET hidden_at = :now WHERE id = :fileId AND workspace_id = :workspaceId AND hidden_at IS NULL
           AND ${seenBy(':viewer')}
         RETURNING filename, bytes`,
        { fileId, workspaceId, viewer: creatorOf(by), now: context.now() },
      );
      if (hidden === undefined) return false;
      addTask(context, 'purge-file', fileId);
      const { filename, bytes } = hidden;
      audit(context, by, {
        action: 'file.delete',
        workspaceId,
        subjectId: fileId,
        detail: { filename, bytes },
      });
      return true;
    },

    expireFiles(limit) {
      forgetPlaces(context);
      const due = all<{ id: string }>(
        context,
        'SELECT id FROM file WHERE expires_at <= ? AND hidden_at IS NULL LIMIT ?',
        context.now(),
        limit,
      );
      for (const { id } of due) {
        run(context, 'UPDATE file SET hidden_at = ? WHERE id = ?', context.now(), id);
        addTask(context, 'purge-file', id);
      }
      return due.length;
    },
  };
}

/**
 * Which files a viewer sees, for a `WHERE`. What was made before there were keys is nobody's, so nobody is kept from it: else the
 * first key would hide it from all for good. A viewer of NULL makes the comparison unknown, which counts as seen.
 */
export function seenBy(viewer: string): string {
  return `(visibility = 'workspace' OR created_by IS NULL OR created_by = ${viewer}) IS NOT FALSE`;
}

/** @throws WorkspaceFull if so many bytes more were too many. */
export function checkRoom(
  context: StoreContext,
  { workspaceId, bytes }: Pick<NewFile, 'workspaceId' | 'bytes'>,
  maxStoredBytes: number | null,
): void {
  if (maxStoredBytes === null) return;
  const { storedBytes } = storedFiles(context, workspaceId);
  if (storedBytes + bytes <= maxStoredBytes) return;
  throw new WorkspaceFull(
    `The workspace's files hold ${storedBytes} bytes, and with this one they would hold more than ${maxStoredBytes}.`,
  );
}

/** Inserts all of an uploaded file but its parts. */
export function insertAuditedFile(
  context: StoreContext,
  file: Omit<NewFile, 'manifest'>,
  session: string,
  by: Actor,
): void {
  insertFile(context, file);
  if (file.cuts !== null) {
    ownBlob(context, file.cuts, session, `file/${file.id}`);
    run(
      context,
      `INSERT INTO file_cuts (file_id, length, blob_name, blob_offset, checksum, bytes) VALUES (?, ?, ?, ?, ?, ?)`,
      file.id,
      ...blobValues(file.cuts),
    );
  }
  insertReferences(context, file.id, file.references ?? []);
  const { filename, purpose, bytes, workspaceId } = file;
  audit(context, by, {
    action: 'file.create',
    workspaceId,
    subjectId: file.id,
    detail: { filename, purpose, bytes },
  });
}

/** Inserts the row alone; its parts follow, or come from a batch's shards. */
export function insertFile(context: StoreContext, file: Omit<NewFile, 'manifest' | 'cuts'>): void {
  run(
    context,
    `INSERT INTO file (id, workspace_id, filename, purpose, sample_type, source, mimetype, bytes, num_lines, signature,
       visibility, expires_at, created_by, line_index, created_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    file.id,
    file.workspaceId,
    file.filename,
    file.purpose,
    file.sampleType,
    file.source,
    file.mimetype,
    file.bytes,
    file.numLines,
    file.signature,
    file.visibility,
    file.expireMs === null ? null : context.now() + file.expireMs,
    file.createdBy,
    file.lineIndex === null ? null : JSON.stringify(file.lineIndex),
    context.now(),
  );
}

function fileFrom(row: FileRow): FileRecord {
  const lineIndex = row.line_index === null ? null : (JSON.parse(row.line_index) as FileRecord['lineIndex']);
  return { ...listedFrom(row), lineIndex };
}

function listedFrom(row: ListedRow): ListedFile {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    filename: row.filename,
    purpose: row.purpose,
    sampleType: row.sample_type,
    source: row.source,
    mimetype: row.mimetype,
    bytes: row.bytes,
    numLines: row.num_lines,
    signature: row.signature,
    visibility: row.visibility,
    expiresAt: row.expires_at,
    createdBy: row.created_by,
    createdAt: row.created_at,
  };
}

function fileConditions(
  context: StoreContext,
  workspaceId: string,
  filter: FileFilter,
): { where: string; values: unknown[] } {
  const conditions = [
    'workspace_id = ?',
    'hidden_at IS NULL',
    '(expires_at IS NULL OR expires_at > ?)',
    seenBy('?'),
  ];
  const values: unknown[] = [workspaceId, context.now(), filter.viewer];
  const oneOf = (column: string, wanted: readonly string[] | undefined): void => {
    if (wanted === undefined || wanted.length === 0) return;
    conditions.push(`${column} IN (SELECT value FROM json_each(?))`);
    values.push(JSON.stringify(wanted));
  };
  oneOf('sample_type', filter.sampleTypes);
  oneOf('source', filter.sources);
  oneOf('mimetype', filter.mimetypes);
  oneOf('purpose', filter.purpose === undefined ? undefined : [filter.purpose]);
  if (filter.search !== undefined) {
    conditions.push('instr(lower(filename), lower(?)) > 0');
    values.push(filter.search);
  }
  return { where: conditions.join(' AND '), values };
}
