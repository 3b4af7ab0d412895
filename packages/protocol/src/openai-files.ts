import { z } from 'zod';
import { mistralFile } from './mistral-files.ts';

/** Purposes of which OpenAI's dialect takes uploads; Bora runs `batch` and keeps the other. */
export const OPENAI_UPLOAD_PURPOSES = ['fine-tune', 'batch'] as const;

/** A file in OpenAI's view: what Mistral's view has, with the members and the purposes of OpenAI's (spec). */
export const openAiFile = mistralFile.extend({
  /** `batch_output` for result files. */
  purpose: z.string(),
  /** Deprecated, and yet SDKs wait for it (measured). */
  status: z.literal('processed'),
  status_details: z.null(),
});
export type OpenAiFile = z.infer<typeof openAiFile>;
