import { z } from 'zod';
import { pageNumber, pageSize, queryBoolean, queryInteger, queryList, queryValue } from './query-values.ts';

/** What a file is for (spec; `audio` is named in its text only). Bora runs `batch`, and keeps the others. */
export const FILE_PURPOSES = ['fine-tune', 'batch', 'ocr', 'audio'] as const;
export type FilePurpose = (typeof FILE_PURPOSES)[number];

/** Purposes that only OpenAI's dialect gives; SDKs of Mistral's read them as they read any word (measured). */
export const OPENAI_ONLY_PURPOSES = ['assistants', 'vision', 'user_data', 'evals'] as const;

/** What lies inside. `batch_*` are batch input, output and error files (spec); `ocr_input` was seen live. */
export const SAMPLE_TYPES = [
  'pretrain',
  'instruct',
  'batch_request',
  'batch_result',
  'batch_error',
  'ocr_input',
  'audio_input',
] as const;
export type SampleType = (typeof SAMPLE_TYPES)[number];

/** Who made the file: `upload` a client, `mistral` the server (result files, inline requests) (spec, live). */
export const FILE_SOURCES = ['upload', 'repository', 'mistral'] as const;
export type FileSource = (typeof FILE_SOURCES)[number];

export const FILE_VISIBILITIES = ['workspace', 'user'] as const;
export type FileVisibility = (typeof FILE_VISIBILITIES)[number];

/** UUID in any case; kept in lower case. */
export const fileId = z.guid().toLowerCase();

/**
 * A file, as upload, list and retrieve answer it. Every key is always present, null where unset (live); `bytes`, `purpose`,
 * `sample_type` and `source` are never null, because the SDKs reject that (measured).
 */
export const mistralFile = z.object({
  id: z.guid(),
  object: z.literal('file'),
  bytes: z.int().min(0),
  /** Unix seconds. */
  created_at: z.int(),
  filename: z.string(),
  purpose: z.enum([...FILE_PURPOSES, ...OPENAI_ONLY_PURPOSES]),
  sample_type: z.enum(SAMPLE_TYPES),
  /** Lines of a JSONL file, a last line without line break included; null if they were not counted. */
  num_lines: z.int().min(0).nullable(),
  mimetype: z.string().nullable(),
  source: z.enum(FILE_SOURCES),
  /** Lower-case hex MD5 of the content; null for result files (live). */
  signature: z.string().nullable(),
  /** Unix seconds; null = kept until deleted. */
  expires_at: z.int().nullable(),
  visibility: z.enum(FILE_VISIBILITIES).nullable(),
});
export type MistralFile = z.infer<typeof mistralFile>;

/** `GET /v1/files/{id}`: a file and whether it is deleted, which the SDKs demand (measured). */
export const retrievedFile = mistralFile.extend({ deleted: z.boolean() });
export type RetrievedFile = z.infer<typeof retrievedFile>;

/** `GET /v1/files`. `total` is null if the query said `include_total=false` (spec). */
export const fileList = z.object({
  data: z.array(mistralFile),
  object: z.literal('list'),
  total: z.int().min(0).nullable(),
});
export type FileList = z.infer<typeof fileList>;

/** `DELETE /v1/files/{id}` (spec). */
export const deletedFile = z.object({ id: z.guid(), object: z.literal('file'), deleted: z.boolean() });
export type DeletedFile = z.infer<typeof deletedFile>;

/** `GET /v1/files/{id}/url`: a link that works without a key (spec). */
export const signedUrl = z.object({ url: z.url() });
export type SignedUrl = z.infer<typeof signedUrl>;

/** Hours the link works: 1..168, default 24 (spec). */
export const signedUrlQuery = z.object({
  expiry: z.preprocess(queryInteger, z.int().min(1).max(168).default(24)),
});
export type SignedUrlQuery = z.infer<typeof signedUrlQuery>;

/** A hundred years. The limit is ours: times beyond it are no dates any more. */
const MAX_EXPIRY_HOURS = 876_000;

/**
 * Text parts of `POST /v1/files`, which may come before or after the part `file` (measured). Without `purpose` the file's
 * name decides: `batch` for `.jsonl`, otherwise `ocr`.
 */
export const fileUploadFields = z.object({
  purpose: z.preprocess(queryValue, z.enum(FILE_PURPOSES).optional()),
  visibility: z.preprocess(queryValue, z.enum(FILE_VISIBILITIES).default('workspace')),
  /** Hours to keep the file, at least 1; absent = until deleted. Mistral documents no unit. */
  expiry: z.preprocess(queryInteger, z.int().min(1).max(MAX_EXPIRY_HOURS).optional()),
});
export type FileUploadFields = z.infer<typeof fileUploadFields>;

/** What the Delphi SDK also asks for. No file of Bora's is one, so it finds none. */
const DELPHI_KIND = 'image_generation';

/** Query of `GET /v1/files` (spec). Lists may be repeated or comma-joined. */
export const fileListQuery = z.object({
  page: pageNumber,
  page_size: pageSize,
  include_total: z.preprocess(queryBoolean, z.boolean().default(true)),
  sample_type: z.preprocess(queryList, z.array(z.enum([...SAMPLE_TYPES, DELPHI_KIND])).optional()),
  source: z.preprocess(queryList, z.array(z.enum(FILE_SOURCES)).optional()),
  /** Part of the file's name. */
  search: z.preprocess(queryValue, z.string().optional()),
  purpose: z.preprocess(queryValue, z.enum([...FILE_PURPOSES, DELPHI_KIND]).optional()),
  mimetypes: z.preprocess(queryList, z.array(z.string()).optional()),
});
export type FileListQuery = z.infer<typeof fileListQuery>;
