import { z } from 'zod';

/**
 * A line of an output or error file. Whatever answered, with success (output file) or not (error file), stands under `response`, with
 * `error: null`. `error` is for requests that got no answer, with `response: null` (observed).
 */
export const openAiResultLine = z.object({
  id: z.string().regex(/^batch_req_[0-9a-f]{32}$/),
  custom_id: z.string(),
  response: z
    .object({
      status_code: z.int(),
      request_id: z.string(),
      body: z.record(z.string(), z.unknown()),
    })
    .nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type OpenAiResultLine = z.infer<typeof openAiResultLine>;
