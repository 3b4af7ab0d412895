import { z } from 'zod';

/**
 * A line of a batch input file, or an item of inline `requests`. `custom_id` may be missing, null or used twice (live); other
 * keys such as `method` and `url` are ignored.
 */
export const inputLine = z.object({
  custom_id: z.string().nullish(),
  /** The request as the endpoint takes it; `model` may be missing if the job names one. */
  body: z.record(z.string(), z.unknown()),
});
export type InputLine = z.infer<typeof inputLine>;

/**
 * A line of an output or error file, and an item of a job's `outputs`.
 *
 * Succeeded: `response.body` is an object, `error` is null. Failed: `response.body` is a *string* holding the upstream's JSON
 * (live), or an object, or `response` is missing and `error` is a string (reported) or an object. Readers take all of them.
 */
export const resultLine = z.object({
  /** `batch-<8 hex of the job>-<8 hex of the input file>-<ordinal>`; the ordinal is 0-based over all inputs. */
  id: z.string(),
  custom_id: z.string().nullable(),
  response: z
    .object({
      status_code: z.int(),
      body: z.union([z.record(z.string(), z.unknown()), z.string()]),
    })
    .nullish(),
  error: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
});
export type ResultLine = z.infer<typeof resultLine>;
