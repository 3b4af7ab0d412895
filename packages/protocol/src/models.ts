import { z } from 'zod';

/** A model that jobs and calls may ask for. Mistral's SDK wants `type` and `capabilities` (measured). */
export const model = z.object({
  id: z.string(),
  object: z.literal('model'),
  /** Unix seconds; 0, for nobody tells it. */
  created: z.int(),
  owned_by: z.literal('bora'),
  type: z.literal('base'),
  /** Nobody tells what a model can do, so only what most can is said. */
  capabilities: z.object({ completion_chat: z.boolean() }),
});
export type Model = z.infer<typeof model>;

/** `GET /v1/models` */
export const modelList = z.object({ object: z.literal('list'), data: z.array(model) });
export type ModelList = z.infer<typeof modelList>;
