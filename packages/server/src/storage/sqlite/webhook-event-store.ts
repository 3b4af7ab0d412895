import type { WebhookEvent, WebhookEvents } from '../ports/webhook-events.ts';
import { all, run, type StoreContext } from './store-context.ts';
import type { Synchronous } from './synchronous.ts';

/** Notes the end of a batch for each webhook that wants it; part of the transaction that ends it. */
export function noteEnd(context: StoreContext, batchId: string): void {
  const noted = run(
    context,
    `INSERT INTO webhook_event (webhook, batch_id, due_at)
     SELECT w.name, b.id, b.ended_at
     FROM batch b JOIN workspace s ON s.id = b.workspace_id
       JOIN webhook w ON w.workspace IS NULL OR w.workspace IN (s.id, s.name)
     WHERE b.id = ? AND b.hidden_at IS NULL AND w.is_gone = 0
       AND b.state IN (SELECT value FROM json_each(w.states))`,
    batchId,
  );
  if (noted > 0) context.hint({ kind: 'webhook-event' });
}

/** Of a batch that is deleted nobody is told. */
export function forgetEnd(context: StoreContext, batchId: string): void {
  run(context, 'DELETE FROM webhook_event WHERE batch_id = ?', batchId);
}

export function webhookEventStore(context: StoreContext): Synchronous<WebhookEvents> {
  return {
    configureWebhooks(webhooks, keepMs) {
      run(context, 'DELETE FROM webhook');
      for (const { name, workspace, states } of webhooks) {
        run(
          context,
          'INSERT INTO webhook (name, workspace, states) VALUES (?, ?, ?)',
          name,
          workspace,
          JSON.stringify(states),
        );
      }
      run(
        context,
        `DELETE FROM webhook_event WHERE webhook NOT IN (SELECT name FROM webhook)
         AND batch_id IN (SELECT id FROM batch WHERE ended_at <= ?)`,
        context.now() - keepMs,
      );
    },

    claimWebhookEvents(webhook, limit, leaseMs) {
      return all<WebhookEvent>(
        context,
        `UPDATE webhook_event SET attempts = attempts + 1, due_at = ?
         WHERE webhook = ? AND batch_id IN
           (SELECT batch_id FROM webhook_event WHERE webhook = ? AND due_at <= ? ORDER BY due_at LIMIT ?)
         RETURNING webhook, batch_id AS batchId, attempts,
           (SELECT state FROM batch WHERE id = batch_id) AS state,
           (SELECT ended_at FROM batch WHERE id = batch_id) AS endedAt`,
        context.now() + leaseMs,
        webhook,
        webhook,
        context.now(),
        limit,
      );
    },

    postponeWebhookEvent({ webhook, batchId, attempts }, delayMs) {
      run(
        context,
        'UPDATE webhook_event SET due_at = ? WHERE webhook = ? AND batch_id = ? AND attempts = ?',
        context.now() + delayMs,
        webhook,
        batchId,
        attempts,
      );
    },

    removeWebhookEvent({ webhook, batchId }) {
      run(context, 'DELETE FROM webhook_event WHERE webhook = ? AND batch_id = ?', webhook, batchId);
    },

    endWebhook(webhook) {
      run(context, 'UPDATE webhook SET is_gone = 1 WHERE name = ?', webhook);
      return run(context, 'DELETE FROM webhook_event WHERE webhook = ?', webhook);
    },
  };
}
