import { createHmac } from 'node:crypto';
import { openAiIdOf } from '@bora/protocol/openai-batches';
import type { WebhookEventBody } from '@bora/protocol/openai-webhooks';
import type { WebhookEvent } from '../storage/ports/webhook-events.ts';

/** What a receiver gets: the bytes that are signed, and the headers that sign them. */
export interface SignedEvent {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * An event in OpenAI's shape, signed as Standard Webhooks say (spec 1.0). It is thin: the receiver asks for the batch. A batch ends once, so
 * its event has one id for life, by which receivers know a repeat; the signature is of the moment, because they refuse old ones (OpenAI's
 * SDKs after 300 s).
 *
 * @param now Milliseconds since the epoch.
 */
export function signedEvent(event: WebhookEvent, key: Uint8Array, now: number): SignedEvent {
  const batchId = openAiIdOf(event.batchId);
  const id = batchId.replace('batch_', 'evt_');
  const body = JSON.stringify({
    id,
    object: 'event',
    type: `batch.${event.state}`,
    created_at: Math.floor(event.endedAt / 1000),
    data: { id: batchId },
  } satisfies WebhookEventBody);
  const timestamp = String(Math.floor(now / 1000));
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'bora',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
  return { body, headers };
}
