import { z } from 'zod';
import { openAiBatchId } from './openai-batches.ts';

/** How a batch may end, which is what webhooks are told. */
export const BATCH_ENDS = ['completed', 'failed', 'expired', 'cancelled'] as const;
export type BatchEndEvent = `batch.${(typeof BATCH_ENDS)[number]}`;

export const WEBHOOK_EVENTS: readonly BatchEndEvent[] = BATCH_ENDS.map((end) => `batch.${end}` as const);

/** What is posted to webhooks (spec `WebhookBatch*`). It is thin: who wants more asks for the batch. */
export const webhookEvent = z.object({
  /** The same each time that the event comes, and in the header `webhook-id`. */
  id: z.string().regex(/^evt_[0-9a-f]{32}$/),
  object: z.literal('event'),
  type: z.enum(WEBHOOK_EVENTS),
  /** When the batch ended, in Unix seconds. */
  created_at: z.int(),
  data: z.object({ id: openAiBatchId }),
});
export type WebhookEventBody = z.infer<typeof webhookEvent>;
