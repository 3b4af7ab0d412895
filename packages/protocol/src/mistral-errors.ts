import { z } from 'zod';
import { boraErrorExtension } from './bora-extensions.ts';
import { openAiError } from './openai-errors.ts';

/** One thing wrong with a request, as in every 422 for a request that is not well-formed (spec, `HTTPValidationError`). */
export const validationIssue = z.object({
  /** Path to the value: `body`, `query` or `path`, then keys and indexes. */
  loc: z.array(z.union([z.string(), z.number()])),
  msg: z.string(),
  /** Machine-readable kind, for example `missing`, `greater_than_equal`, `enum`. */
  type: z.string(),
  input: z.unknown().optional(),
  ctx: z.record(z.string(), z.unknown()).optional(),
});
export type ValidationIssue = z.infer<typeof validationIssue>;

/** A bad line of an uploaded batch file. */
export const uploadIssue = z.object({
  message: z.string(),
  /** Physical line, from 1 (live). */
  line_number: z.int().min(1),
});
export type UploadIssue = z.infer<typeof uploadIssue>;

/**
 * Body of every error answer on `/v1/files` and `/v1/batch`: `detail` is a sentence, or a list for a malformed request. A refused
 * upload adds `description` and `errors` (live). `bora` carries the permanent code.
 */
export const errorBody = z.object({
  detail: z.union([z.string(), z.array(validationIssue)]),
  description: z.string().optional(),
  message: z.string().optional(),
  errors: z.array(uploadIssue).optional(),
  /** What clients of OpenAI's dialect read, on paths that both have. */
  error: openAiError.optional(),
  bora: boraErrorExtension.optional(),
});
export type ErrorBody = z.infer<typeof errorBody>;

/** Body of an error of an inference endpoint: 400, 429 and what failed lines hold (error glossary, live). */
export const inferenceErrorBody = z.object({
  object: z.literal('error'),
  message: z.unknown(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
});
export type InferenceErrorBody = z.infer<typeof inferenceErrorBody>;
