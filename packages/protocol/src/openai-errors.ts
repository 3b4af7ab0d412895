import { z } from 'zod';
import { boraErrorExtension } from './bora-extensions.ts';

/** All four members are always there (spec). */
export const openAiError = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
});

/** Body of an error answer. `detail` says the same to clients of Mistral's dialect. */
export const openAiErrorBody = z.object({
  error: openAiError,
  detail: z.unknown(),
  bora: boraErrorExtension.optional(),
});
export type OpenAiErrorBody = z.infer<typeof openAiErrorBody>;
