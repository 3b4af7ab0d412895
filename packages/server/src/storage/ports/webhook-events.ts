import type { EndReason } from './batch-records.ts';

/**
 * Ends of batches that webhooks are yet to be told of. The transaction that ends a batch notes its events, so that none is lost and none
 * is made up; of a deleted batch nothing is told.
 */
export interface WebhookEvents {
  /**
   * Says which webhooks there are, from the next end of a batch on; whoever was gone is there again. Events of one that is not named any
   * more are kept until `keepMs` after the end of their batch, should it be named again.
   */
  configureWebhooks(webhooks: readonly Webhook[], keepMs: number): Promise<void>;

  /**
   * Events of a webhook that are due, those first that are due longest; each is due again after `leaseMs` unless it is postponed or
   * removed before. So an event whose sender dies, or whose claim is not heard of, is tried again.
   */
  claimWebhookEvents(webhook: string, limit: number, leaseMs: number): Promise<WebhookEvent[]>;

  /** Makes a claimed event due after `delayMs` from now. No-op if it was claimed again since. */
  postponeWebhookEvent(event: WebhookEvent, delayMs: number): Promise<void>;

  /** Forgets an event: it was delivered, or is given up. */
  removeWebhookEvent(event: WebhookEvent): Promise<void>;

  /** Forgets all events of a webhook and notes no more of them, until webhooks are configured again. Answers how many it forgot. */
  endWebhook(webhook: string): Promise<number>;
}

export interface Webhook {
  /** Unique. */
  readonly name: string;
  /** Id or name of the workspace whose batches it is told of, also of one that is made later; null: all. */
  readonly workspace: string | null;
  readonly states: readonly EndReason[];
}

/** The end of a batch, as claimed. */
export interface WebhookEvent {
  readonly webhook: string;
  readonly batchId: string;
  readonly state: EndReason;
  readonly endedAt: number;
  /** How often it was claimed, this time included. */
  readonly attempts: number;
}
