import { z } from 'zod';
import { expiresAfter, openAiFile } from './openai-files.ts';

/** Of an upload, in sum (spec: 8 GB). */
export const MAX_UPLOAD_BYTES = 8 * 1024 ** 3;
/** (spec: 64 MB; SDKs cut by this number) */
export const MAX_PART_BYTES = 64 * 1024 ** 2;
/** Of one upload; ours. With the largest parts 128 are enough; those that are not listed in the end count as well. */
export const MAX_UPLOAD_PARTS = 2_000;

/** A file that comes in parts. Every key is always present (spec); times are Unix seconds. */
export const openAiUpload = z.object({
  id: z.string(),
  object: z.literal('upload'),
  bytes: z.int().min(0),
  created_at: z.int(),
  filename: z.string(),
  purpose: z.string(),
  status: z.enum(['pending', 'completed', 'cancelled', 'expired']),
  /** An hour behind `created_at`. */
  expires_at: z.int(),
  /** Of a completed one; null again if it was deleted. */
  file: openAiFile.nullable(),
});
export type OpenAiUpload = z.infer<typeof openAiUpload>;

/** (spec) */
export const openAiUploadPart = z.object({
  id: z.string(),
  object: z.literal('upload.part'),
  created_at: z.int(),
  upload_id: z.string(),
});
export type OpenAiUploadPart = z.infer<typeof openAiUploadPart>;

/** `POST /v1/uploads` (spec). Which purposes there are is told in words of their own. */
export const createOpenAiUpload = z.object({
  filename: z.string(),
  purpose: z.string(),
  bytes: z.int().min(0).max(MAX_UPLOAD_BYTES),
  /** Required (spec), and not trusted: the name decides. */
  mime_type: z.string(),
  expires_after: expiresAfter.nullish(),
});

/** `POST /v1/uploads/{id}/complete` (spec). */
export const completeOpenAiUpload = z.object({
  /** In the order of the file. */
  part_ids: z.array(z.string()).max(MAX_UPLOAD_PARTS),
  /** Of the whole content, in hex. */
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}$/i, 'expected an MD5 of 32 hex digits')
    .nullish(),
});
