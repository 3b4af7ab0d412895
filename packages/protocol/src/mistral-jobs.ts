import { z } from 'zod';
import { BATCH_ENDPOINTS } from './batch-endpoints.ts';
import { boraJobExtension } from './bora-extensions.ts';
import { fileId } from './mistral-files.ts';
import { inputLine, resultLine } from './mistral-lines.ts';
import { pageNumber, pageSize, queryBoolean, queryList, queryValue } from './query-values.ts';

/** No other value may appear: SDKs of 1.x reject the whole answer (measured). */
export const JOB_STATUSES = [
  'QUEUED',
  'RUNNING',
  'SUCCESS',
  'FAILED',
  'TIMEOUT_EXCEEDED',
  'CANCELLATION_REQUESTED',
  'CANCELLED',
] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** Statuses that never change again. `SUCCESS` says that every line was processed, not that every line succeeded (live). */
export const END_STATUSES = [
  'SUCCESS',
  'FAILED',
  'TIMEOUT_EXCEEDED',
  'CANCELLED',
] as const satisfies readonly JobStatus[];

/** Failed requests counted by message, for example `HTTP Error, status code: 400` (live). */
export const jobError = z.object({ message: z.string(), count: z.int().min(1) });
export type JobError = z.infer<typeof jobError>;

/** A batch job. Every key is always present, null where unset (live); `errors` and `input_files` are never null (measured). */
export const batchJob = z.object({
  id: z.guid(),
  object: z.literal('batch'),
  /** For inline requests the one file that Bora made of them. */
  input_files: z.array(z.guid()),
  metadata: z.record(z.string(), z.string()).nullable(),
  endpoint: z.string(),
  /** `mixed` if the lines name several models. */
  model: z.string().nullable(),
  agent_id: z.string().nullable(),
  /** Null until the job ended, and after it if no line succeeded. */
  output_file: z.guid().nullable(),
  /** Null until the job ended, and after it if no line failed. */
  error_file: z.guid().nullable(),
  errors: z.array(jobError),
  /** Result lines, failed ones too, of a job made from inline requests or asked for with `inline=true`, once it ended. */
  outputs: z.array(resultLine).nullable(),
  status: z.enum(JOB_STATUSES),
  /** Unix seconds. */
  created_at: z.int(),
  /** 0 until the input is planned. */
  total_requests: z.int().min(0),
  /** Succeeded + failed. */
  completed_requests: z.int().min(0),
  succeeded_requests: z.int().min(0),
  failed_requests: z.int().min(0),
  /** Unix seconds; null until work began. */
  started_at: z.int().nullable(),
  /** Unix seconds; null until the job ended. */
  completed_at: z.int().nullable(),
  bora: boraJobExtension.optional(),
});
export type BatchJob = z.infer<typeof batchJob>;

/** `GET /v1/batch/jobs`; `total` counts all jobs that match, whatever the page (spec). */
export const batchJobList = z.object({
  data: z.array(batchJob),
  object: z.literal('list'),
  total: z.int().min(0),
});
export type BatchJobList = z.infer<typeof batchJobList>;

/** `DELETE /v1/batch/jobs/{id}` (spec of August 2026). */
export const deletedBatchJob = z.object({
  id: z.string(),
  object: z.literal('batch'),
  deleted: z.boolean(),
});
export type DeletedBatchJob = z.infer<typeof deletedBatchJob>;

/** Most inline requests in one create call (spec). */
export const MAX_INLINE_REQUESTS = 10_000;

/** Most keys of a job's metadata. The limit is ours, Mistral names none: a list shows the metadata of up to 1,000 jobs. */
export const MAX_METADATA_KEYS = 64;

/** Keys of 1..32 characters, values of 1..512 (spec). */
export const jobMetadata = z
  .record(z.string().min(1).max(32), z.string().min(1).max(512))
  .refine((metadata) => Object.keys(metadata).length <= MAX_METADATA_KEYS, {
    error: `Metadata should have at most ${MAX_METADATA_KEYS} keys`,
    abort: true,
  });

/** Most input files of one job. The limit is ours, for the same reason. */
export const MAX_INPUT_FILES = 1_000;

/** A model's name. Longer ones are nobody's, and half a surrogate pair could not be sent as it came. */
const modelName = z
  .string()
  .min(1)
  .max(1_000)
  .refine((name) => name.isWellFormed(), 'String should be valid Unicode');

/** Hours until the job's time is up: 1..168 (spec). */
export const timeoutHours = z.int().min(1).max(168);
export const DEFAULT_TIMEOUT_HOURS = 24;

/**
 * `POST /v1/batch/jobs`. Null means absent for every optional member (measured); unknown members are ignored. Exactly one of
 * `input_files` and `requests` must be given, which this schema leaves to its user, as it leaves the default of `timeout_hours`:
 * `completion_window` may stand in for it.
 */
export const createBatchJob = z.object({
  endpoint: z.enum(BATCH_ENDPOINTS),
  input_files: z.array(fileId).min(1).max(MAX_INPUT_FILES).nullish(),
  requests: z.array(inputLine).min(1).max(MAX_INLINE_REQUESTS).nullish(),
  /** Wins over the lines' own `model` (live). Without it every line needs one. */
  model: modelName.nullish(),
  /** Mistral's deprecated agents: Bora refuses a job that names one. */
  agent_id: z.string().max(1_000).nullish(),
  metadata: jobMetadata.nullish(),
  /** Default 24. */
  timeout_hours: timeoutHours.nullish(),
  /** Tolerated in place of `input_files`: the one file. */
  input_file_id: fileId.nullish(),
  /** Tolerated in place of `timeout_hours`: `24h`, `7d`. */
  completion_window: z
    .string()
    .regex(/^\d{1,4}[hd]$/, 'must be hours or days, such as 24h or 7d')
    .nullish(),
});
export type CreateBatchJob = z.input<typeof createBatchJob>;

/** Everything of the create call but `requests`, which the server cuts out of the body as bytes. */
export const createBatchJobMembers = createBatchJob.omit({ requests: true });
export type CreateBatchJobMembers = z.infer<typeof createBatchJobMembers>;

/** Hours that a `completion_window` names: `24h` → 24, `7d` → 168. May exceed the range of `timeout_hours`. */
export function hoursOfCompletionWindow(window: string): number {
  return Number(window.slice(0, -1)) * (window.endsWith('d') ? 24 : 1);
}

/** `-created` = newest first. */
export const JOB_ORDERS = ['created', '-created'] as const;
export type JobOrder = (typeof JOB_ORDERS)[number];

/**
 * The named parameters of `GET /v1/batch/jobs` (spec). A `metadata` filter does not come under that name: SDKs send each of its
 * keys as a parameter of its own (measured), so whatever is not named here is the caller's to read as metadata.
 */
export const batchJobListQuery = z.object({
  page: pageNumber,
  page_size: pageSize,
  model: z.preprocess(queryValue, z.string().optional()),
  agent_id: z.preprocess(queryValue, z.string().optional()),
  /** Date, with or without time and zone (none = UTC). Jobs created at that moment or later. */
  created_after: z.preprocess(
    queryValue,
    z.union([z.iso.datetime({ offset: true, local: true }), z.iso.date()]).optional(),
  ),
  created_by_me: z.preprocess(queryBoolean, z.boolean().default(false)),
  /** Any of these; case does not matter. */
  status: z.preprocess(upperCaseList, z.array(z.enum(JOB_STATUSES)).optional()),
  order_by: z.preprocess(queryValue, z.enum(JOB_ORDERS).default('-created')),
});
export type BatchJobListQuery = z.infer<typeof batchJobListQuery>;

/** Query of `GET /v1/batch/jobs/{id}`: whether to show `outputs`; absent = as the job was made. */
export const batchJobQuery = z.object({
  inline: z.preprocess(queryBoolean, z.boolean().optional()),
});
export type BatchJobQuery = z.infer<typeof batchJobQuery>;

function upperCaseList(value: unknown): unknown {
  const list = queryList(value);
  if (!Array.isArray(list)) return list;
  return list.map((item: unknown) => (typeof item === 'string' ? item.toUpperCase() : item));
}
