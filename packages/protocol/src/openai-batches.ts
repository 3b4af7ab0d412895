import { z } from 'zod';
import { boraJobExtension } from './bora-extensions.ts';
import { MAX_INPUT_FILES } from './mistral-jobs.ts';
import { queryInteger, queryValue } from './query-values.ts';

export const OPENAI_BATCH_STATUSES = [
  'validating',
  'failed',
  'in_progress',
  'finalizing',
  'completed',
  'expired',
  'cancelling',
  'cancelled',
] as const;
export type OpenAiBatchStatus = (typeof OPENAI_BATCH_STATUSES)[number];

/** `batch_` and 32 hex digits: the UUID that Mistral's view shows. */
export const openAiBatchId = z.string().regex(/^batch_[0-9a-f]{32}$/);

/** OpenAI's spelling of a batch's UUID. */
export function openAiIdOf(batchId: string): string {
  return `batch_${batchId.replaceAll('-', '')}`;
}

/** One thing wrong with the input; `line` is physical and 1-based (spec). */
export const openAiBatchError = z.object({
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
  line: z.int().nullable(),
});
export type OpenAiBatchError = z.infer<typeof openAiBatchError>;

const time = z.int();
const timeOrNull = time.nullable();
const count = z.int().min(0);

/** A batch. Every key is always present, null where unset (observed). Times are Unix seconds. */
export const openAiBatch = z.object({
  id: openAiBatchId,
  object: z.literal('batch'),
  endpoint: z.string(),
  /** The one model of the lines; null while it is not known, and if they name several. */
  model: z.string().nullable(),
  /** Null unless it failed. */
  errors: z.object({ object: z.literal('list'), data: z.array(openAiBatchError) }).nullable(),
  /** The first, of a batch that was made of several. */
  input_file_id: z.string(),
  completion_window: z.string(),
  status: z.enum(OPENAI_BATCH_STATUSES),
  /** Null until it ended, and after it where no request succeeded. */
  output_file_id: z.string().nullable(),
  /** Null until it ended, and after it where every request succeeded. */
  error_file_id: z.string().nullable(),
  created_at: time,
  in_progress_at: timeOrNull,
  /** Null: its time is never up. */
  expires_at: timeOrNull,
  finalizing_at: timeOrNull,
  completed_at: timeOrNull,
  failed_at: timeOrNull,
  expired_at: timeOrNull,
  cancelling_at: timeOrNull,
  cancelled_at: timeOrNull,
  /** Zeros until validated. Expired and cancelled requests are in `total` alone (observed). */
  request_counts: z.object({ total: count, completed: count, failed: count }),
  usage: z.object({
    input_tokens: count,
    input_tokens_details: z.object({ cached_tokens: count }),
    output_tokens: count,
    output_tokens_details: z.object({ reasoning_tokens: count }),
    total_tokens: count,
  }),
  metadata: z.record(z.string(), z.string()).nullable(),
  bora: boraJobExtension.optional(),
});
export type OpenAiBatch = z.infer<typeof openAiBatch>;

/** `GET /v1/batches`, newest first. SDKs page with the last id of `data` until `has_more` is false (measured). */
export const openAiBatchList = z.object({
  object: z.literal('list'),
  data: z.array(openAiBatch),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});
export type OpenAiBatchList = z.infer<typeof openAiBatchList>;

export const MAX_METADATA_PAIRS = 16;

/** At most 16 pairs, keys to 64 and values to 512 characters (spec). How many and how long the keys are is its user's to check. */
const metadata = z.record(z.string(), z.string().max(512));

/** From the creation of the result files, not of the batch (spec). */
const outputExpiresAfter = z.object({
  anchor: z.literal('created_at'),
  seconds: z.int().min(3600).max(2_592_000),
});

/**
 * `POST /v1/batches`. Null means absent for every optional member; unknown members are ignored. Which endpoints and completion windows there are
 * is the server's to say.
 */
export const createOpenAiBatch = z.object({
  input_file_id: z.string(),
  /** Of a batch over several files: all of them, in the place of `input_file_id`. */
  input_files: z.array(z.string()).max(MAX_INPUT_FILES).nullish(),
  endpoint: z.string(),
  completion_window: z.string(),
  metadata: metadata.nullish(),
  output_expires_after: outputExpiresAfter.nullish(),
  bora: z
    .object({
      /** Bad lines end as failed, and the others run, instead of the whole batch failing. */
      lenient: z.boolean().nullish(),
    })
    .nullish(),
});
export type CreateOpenAiBatch = z.input<typeof createOpenAiBatch>;

/** Query of `GET /v1/batches`: 1..100, default 20 (spec). */
export const openAiBatchListQuery = z.object({
  limit: z.preprocess(queryInteger, z.int().min(1).max(100).default(20)),
  /** Id of the batch behind which the page begins. */
  after: z.preprocess(queryValue, z.string().optional()),
});

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a time such as `30m`, `24h` or `7d`; null if it is none. */
export function windowMs(window: string): number | null {
  const [, amount, unit] = /^(\d{1,9})([mhd])$/.exec(window) ?? [];
  return amount === undefined ? null : Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
}
