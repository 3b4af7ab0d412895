import { z } from 'zod';
import { mistralFile } from './mistral-files.ts';
import { queryInteger, queryValue } from './query-values.ts';

/** Purposes of uploads in OpenAI's dialect (spec). Bora runs `batch`, and keeps the others. */
export const OPENAI_UPLOAD_PURPOSES = [
  'fine-tune',
  'assistants',
  'batch',
  'user_data',
  'vision',
  'evals',
] as const;
export type OpenAiUploadPurpose = (typeof OPENAI_UPLOAD_PURPOSES)[number];

/**
 * A file as OpenAI's clients read it: what Mistral's view has, and two members more. Clients of both dialects are sent all of it; only
 * the purpose of result files differs.
 */
export const openAiFile = mistralFile.extend({
  /** `batch_output` for result files. */
  purpose: z.string(),
  /** Deprecated, and yet SDKs wait for it (measured). */
  status: z.literal('processed'),
  status_details: z.null(),
});
export type OpenAiFile = z.infer<typeof openAiFile>;

/** `GET /v1/files`: what both dialects read. `total` counts all that match; null if the query said `include_total=false`. */
export const openAiFileList = z.object({
  object: z.literal('list'),
  data: z.array(openAiFile),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
  total: z.int().min(0).nullable(),
});
export type OpenAiFileList = z.infer<typeof openAiFileList>;

/** Query of `GET /v1/files` in OpenAI's dialect (spec): 1..10000, default 10000, newest first. */
export const openAiFileListQuery = z.object({
  /** Any word: a purpose that no file has finds none. */
  purpose: z.preprocess(queryValue, z.string().optional()),
  limit: z.preprocess(queryInteger, z.int().min(1).max(10_000).default(10_000)),
  order: z.preprocess(queryValue, z.enum(['asc', 'desc']).default('desc')),
  /** Id of the file behind which the page begins. */
  after: z.preprocess(queryValue, z.string().optional()),
});

/** When a file expires: so many seconds after it was made, one hour to thirty days (spec). In forms `seconds` is text. */
export const expiresAfter = z.object({
  anchor: z.literal('created_at'),
  seconds: z.preprocess(queryInteger, z.int().min(3600).max(2_592_000)),
});
