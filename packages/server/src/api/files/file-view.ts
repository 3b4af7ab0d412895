import type { SampleType } from '@bora/protocol/mistral-files';
import type { OpenAiFile } from '@bora/protocol/openai-files';
import type { Dialect } from '../../storage/ports/batch-records.ts';
import type { ListedFile } from '../../storage/ports/file-records.ts';

/**
 * A file as the wire shows it, with every key (live answers hold all of them, null where unset). Both dialects read the same object;
 * OpenAI's calls result files by a purpose of their own.
 */
export function fileView(file: ListedFile, dialect: Dialect): OpenAiFile {
  return {
    id: file.id,
    object: 'file',
    bytes: file.bytes,
    created_at: seconds(file.createdAt),
    filename: file.filename,
    purpose: dialect === 'openai' && isResult(file) ? 'batch_output' : file.purpose,
    sample_type: file.sampleType as SampleType,
    num_lines: file.numLines,
    mimetype: file.mimetype,
    source: file.source,
    signature: file.signature,
    expires_at: file.expiresAt === null ? null : seconds(file.expiresAt),
    visibility: file.visibility,
    status: 'processed',
    status_details: null,
  };
}

export const RESULT_TYPES: readonly string[] = ['batch_result', 'batch_error'] satisfies SampleType[];

function isResult({ sampleType }: ListedFile): boolean {
  return RESULT_TYPES.includes(sampleType);
}

/** The wire counts whole seconds; SDKs reject a fraction (measured). */
export function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
