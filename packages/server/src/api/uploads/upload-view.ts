import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import type { FileRecord } from '../../storage/ports/file-records.ts';
import type { UploadRecord } from '../../storage/ports/upload-records.ts';
import { fileView, seconds } from '../files/file-view.ts';

/** An upload as OpenAI's API shows it (spec). `file` is that of a completed one. */
export function uploadView(upload: UploadRecord, file: FileRecord | null): OpenAiUpload {
  return {
    id: upload.id,
    object: 'upload',
    bytes: upload.bytes,
    created_at: seconds(upload.createdAt),
    filename: upload.filename,
    purpose: upload.purpose,
    status: upload.state,
    expires_at: seconds(upload.expiresAt),
    file: file === null ? null : fileView(file, 'openai'),
  };
}
