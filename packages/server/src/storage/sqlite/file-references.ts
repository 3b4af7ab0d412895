import type { MissingNamedFile, NewBatch } from '../ports/batch-records.ts';
import type { FileReference } from '../ports/file-records.ts';
import { seenBy } from './file-store.ts';
import { first, run, type StoreContext } from './store-context.ts';

export function insertReferences(
  context: StoreContext,
  fileId: string,
  references: readonly FileReference[],
): void {
  if (references.length === 0) return;
  // One statement in the order of the key, for others wait meanwhile: 100,000 rows take 0.35 s so, and 0.55 as single ones.
  run(
    context,
    `INSERT INTO file_reference (file_id, member, named_id, line)
     SELECT ?, value ->> 'member', value ->> 'fileId', value ->> 'line' FROM json_each(?) ORDER BY 2, 3`,
    fileId,
    JSON.stringify(references),
  );
}

/** Checked in the transaction that makes the batch, from which on a deletion waits: no line finds its file gone. */
export function missingNamedFile(context: StoreContext, batch: NewBatch): MissingNamedFile | null {
  const { workspaceId, createdBy, inputFileIds, fileMember = null } = batch;
  if (fileMember === null) return null;
  for (const inputFileId of inputFileIds) {
    const { missing, line, fileId } = first<Omit<MissingNamedFile, 'kind' | 'inputFileId'>>(
      context,
      // With one min() SQLite takes the other columns from the row that has it.
      `SELECT count(*) AS missing, min(r.line) AS line, r.named_id AS fileId FROM file_reference r
       WHERE r.file_id = :inputFileId AND r.member = :fileMember AND NOT EXISTS (
         SELECT 1 FROM file f WHERE f.id = r.named_id AND f.workspace_id = :workspaceId AND f.hidden_at IS NULL
           AND (f.expires_at IS NULL OR f.expires_at > :now) AND ${seenBy(':createdBy')})`,
      { inputFileId, fileMember, workspaceId, createdBy, now: context.now() },
    )!;
    if (missing > 0) return { kind: 'missing-named-file', inputFileId, line, fileId, missing };
  }
  return null;
}

/** Whether a batch that has not ended reads the file: as an input, or because a line of one names it. */
export function isInUse(context: StoreContext, fileId: string): boolean {
  const reader = first(
    context,
    `SELECT 1 FROM batch WHERE state IN ('validating', 'queued', 'running', 'expiring', 'cancelling') AND id IN (
       SELECT batch_id FROM batch_input WHERE file_id = :fileId
       UNION ALL SELECT i.batch_id FROM file_reference r JOIN batch_input i ON i.file_id = r.file_id
         JOIN batch b ON b.id = i.batch_id AND b.file_member = r.member WHERE r.named_id = :fileId)`,
    { fileId },
  );
  return reader !== undefined;
}
