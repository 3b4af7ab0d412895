import { z } from 'zod';

/**
 * What Bora says beyond the dialects, always under the one key `bora`. Official SDKs ignore it (measured), so nobody may
 * depend on it being there: every member is optional to a reader.
 */
export const boraJobExtension = z.object({
  /** Why requests of the job wait, most frequent first, each a sentence; empty if nothing waits. */
  waiting: z.array(z.string()).optional(),
  /** Tokens of the answers counted so far, as the upstreams reported them. */
  usage: z
    .object({
      input_tokens: z.int().min(0),
      output_tokens: z.int().min(0),
    })
    .optional(),
  /** Unix seconds at which the job's time is up; it moves while Bora is down. Null: never. */
  deadline_at: z.int().nullable().optional(),
  /** Unix seconds at which it was asked to cancel; null if it never was. */
  cancelling_at: z.int().nullable().optional(),
  /** Unix seconds at which its last request was done and its files began to be made; null before that. */
  finalizing_at: z.int().nullable().optional(),
  /** Why the job as a whole ended `FAILED`, a sentence. */
  failure: z.string().nullable().optional(),
  /** The state in Bora's own words, finer than `status`, for example `validating` or `finalizing`. */
  state: z.string().optional(),
});
export type BoraJobExtension = z.infer<typeof boraJobExtension>;

/** What Bora adds to an error body. */
export const boraErrorExtension = z.object({
  /** Permanent code, listed in docs/errors.md. */
  code: z.string(),
  /** The same id as in the response header `x-request-id` and in the server's log. */
  request_id: z.string().optional(),
});
export type BoraErrorExtension = z.infer<typeof boraErrorExtension>;

/** Query of `GET /v1/batch/jobs/{id}/results` and `GET /v1/batches/{id}/results`: lines of which result file. */
export const resultsQuery = z.object({
  kind: z.enum(['output', 'error']).default('output'),
});
