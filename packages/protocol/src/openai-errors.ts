import { z } from 'zod';
import { boraErrorExtension } from './bora-extensions.ts';

/** Body of an error answer: all four members of `error` are always there (spec). `detail` says the same to clients of Mistral's dialect. */
export const openAiErrorBody = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
  detail: z.unknown(),
  bora: boraErrorExtension.optional(),
});
export type OpenAiErrorBody = z.infer<typeof openAiErrorBody>;
