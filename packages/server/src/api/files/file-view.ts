import type { FilePurpose, MistralFile, SampleType } from '@bora/protocol/mistral-files';
import type { FileRecord } from '../../storage/ports/file-records.ts';

/** A file as the wire shows it, with every key (live answers hold all of them, null where unset). */
export function fileView(file: FileRecord): MistralFile {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: seconds(file.createdAt),
    filename: file.filename,
    purpose: file.purpose as FilePurpose,
    sample_type: file.sampleType as SampleType,
    num_lines: file.numLines,
    mimetype: file.mimetype,
    source: file.source,
    signature: file.signature,
    expires_at: file.expiresAt === null ? null : seconds(file.expiresAt),
    visibility: file.visibility,
  };
}

/** The wire counts whole seconds; SDKs reject a fraction (measured). */
export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
