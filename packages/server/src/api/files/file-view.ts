import type { FilePurpose, MistralFile, SampleType } from '@bora/protocol/mistral-files';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { Dialect } from '../../storage/ports/batch-records.ts';
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

/** A file as a client of the dialect reads it. OpenAI's view has all that Mistral's has, and calls result files by a purpose of their own. */
export function fileViewOf(dialect: Dialect, file: FileRecord): MistralFile | OpenAiFile {
  const view = fileView(file);
  if (dialect === 'mistral') return view;
  const isResult = view.sample_type === 'batch_result' || view.sample_type === 'batch_error';
  const purpose = isResult ? 'batch_output' : view.purpose;
  return { ...view, purpose, status: 'processed', status_details: null };
}

/** The wire counts whole seconds; SDKs reject a fraction (measured). */
export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
