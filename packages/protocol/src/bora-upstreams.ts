import { z } from 'zod';

/** Upstreams, under `/bora/v1/upstreams`: for admins alone, and not in Mistral's API. Times are Unix seconds. */

/** `trial`: it was down or paused and looks well; one request at a time until one is answered. */
const state = z.enum(['up', 'trial', 'down', 'paused']);

export const upstream = z.object({
  name: z.string(),
  object: z.literal('upstream'),
  url: z.string(),
  state,
  /** Why it is not up, a sentence without its name; null if it is. */
  reason: z.string().nullable(),
  since: z.int(),
  /** A person paused it, and it stays so until one resumes it. */
  paused_by_hand: z.boolean(),
  /** Found on this machine because none was configured. */
  found: z.boolean(),
  /** The budget that requests wait for now, a sentence; null if they do not. */
  waits_for: z.string().nullable(),
  /** Until when it asked to be left alone; null if it did not. */
  quiet_until: z.int().nullable(),
  in_flight: z.int(),
  max_in_flight: z.int(),
  /** Names that jobs may ask for; `*` = any. */
  serves: z.array(z.string()),
  /** By what the upstream calls them, those that have been asked for or are known. */
  models: z.array(
    z.object({
      model: z.string(),
      state,
      reason: z.string().nullable(),
      since: z.int(),
      /** How many requests at once it is found to take. */
      window: z.int(),
      in_flight: z.int(),
    }),
  ),
  /** Attempts since the start, by what became of them. */
  attempts: z.object({
    succeeded: z.int(),
    failed: z.int(),
    refused: z.int(),
    retried: z.int(),
    aborted: z.int(),
  }),
});
export type Upstream = z.infer<typeof upstream>;

/** `GET /bora/v1/upstreams` */
export const upstreamList = z.object({ data: z.array(upstream), object: z.literal('list') });
export type UpstreamList = z.infer<typeof upstreamList>;

/** `POST /bora/v1/upstreams/{name}/pause` */
export const pauseUpstream = z.object({
  /** Shown on jobs that wait for it. */
  reason: z.string().trim().max(200).default(''),
});
