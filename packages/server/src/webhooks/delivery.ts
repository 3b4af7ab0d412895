import { Bell } from '../observe/bell.ts';
import type { Clock } from '../observe/clock.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Database } from '../storage/ports/database.ts';
import type { Webhook, WebhookEvent, WebhookEvents } from '../storage/ports/webhook-events.ts';
import { ANSWER_WITHIN_MS, postEvent } from './post-event.ts';
import { GIVE_UP_AFTER_MS, retryDelayMs } from './retry-delay.ts';
import { signedEvent } from './signed-event.ts';

/** For what comes due again; new events ring. */
const POLL_MS = 1_000;
/** Events in flight to one receiver. */
const AT_ONCE = 8;
/** Longer than an attempt takes, so that nobody else begins another meanwhile. */
const LEASE_MS = 2 * ANSWER_WITHIN_MS;

export interface Receiver extends Webhook {
  readonly url: string;
  /** Of the signature. */
  readonly key: Uint8Array;
}

export interface WebhookDeliveryDependencies {
  readonly receivers: readonly Receiver[];
  readonly database: WebhookEvents & Pick<Database, 'getWorkspace' | 'onHint'>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'webhookEvents'>;
}

/**
 * Tells webhooks of batches that ended, each at least once. Each receiver has a loop of its own, so that none waits for another. What fails
 * is tried again for three days; an event that is in flight when Bora dies is due again half a minute after it was claimed.
 */
export class WebhookDelivery {
  readonly #deps: WebhookDeliveryDependencies;
  readonly #stop = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  constructor(deps: WebhookDeliveryDependencies) {
    this.#deps = deps;
  }

  /** From here on ends of batches are noted for the receivers. To be called before any batch may end. */
  async configure(): Promise<void> {
    const { receivers, database, log } = this.#deps;
    const webhooks = receivers.map(({ name, workspace, states }) => ({ name, workspace, states }));
    await database.configureWebhooks(webhooks, GIVE_UP_AFTER_MS);
    for (const { name: webhook, workspace, states } of receivers) {
      log.info({ webhook, workspace, states }, 'a webhook is told of batches that end');
      if (workspace !== null && (await database.getWorkspace(workspace)) === null)
        log.warn({ webhook, workspace }, 'a webhook names a workspace that is not there; it is told nothing');
    }
  }

  start(): void {
    this.#ended = Promise.all(this.#deps.receivers.map((receiver) => this.#run(receiver)));
  }

  /** Resolves when nothing is in flight any more; what was is sent again after the next start. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('Bora stops.'));
    await this.#ended;
  }

  /** Makes an attempt at each of the events that are due, 8 at most. Answers how many. */
  async deliverDue(receiver: Receiver): Promise<number> {
    const events = await this.#claim(receiver.name);
    await Promise.all(events.map((event) => this.#deliver(receiver, event)));
    return events.length;
  }

  async #run(receiver: Receiver): Promise<void> {
    const { database, clock } = this.#deps;
    const { signal } = this.#stop;
    const bell = new Bell();
    const unsubscribe = database.onHint(({ kind }) => kind === 'webhook-event' && bell.ring());
    signal.addEventListener('abort', () => bell.ring());
    while (!signal.aborted) {
      const attempts = await this.deliverDue(receiver);
      if (attempts < AT_ONCE && !signal.aborted) await bell.wait(clock, POLL_MS);
    }
    unsubscribe();
  }

  async #claim(webhook: string): Promise<WebhookEvent[]> {
    try {
      return await this.#deps.database.claimWebhookEvents(webhook, AT_ONCE, LEASE_MS);
    } catch (err) {
      this.#deps.log.warn({ webhook, err }, 'webhook events could not be read; trying again');
      return [];
    }
  }

  async #deliver(receiver: Receiver, event: WebhookEvent): Promise<void> {
    const { clock, log } = this.#deps;
    const { signal } = this.#stop;
    const about = { webhook: event.webhook, batch: event.batchId, attempt: event.attempts };
    const signed = signedEvent(event, receiver.key, clock.now());
    try {
      const answer = await postEvent(new URL(receiver.url), signed, clock, signal).then(
        (status) => ({ status }),
        (err: unknown) => ({ status: null, err }),
      );
      if (answer.status === null && signal.aborted) await this.#deps.database.postponeWebhookEvent(event, 0);
      else await this.#note(event, answer.status, log.child({ ...about, ...answer }));
    } catch (err) {
      log.warn({ ...about, err }, 'what became of a webhook event could not be noted; it is sent again');
    }
  }

  /** @param status Null: there was no answer. */
  async #note(event: WebhookEvent, status: number | null, log: Log): Promise<void> {
    const { database, clock, random, metrics } = this.#deps;
    const { webhook } = event;
    const count = (outcome: 'delivered' | 'retried' | 'given_up', events = 1): void =>
      metrics.webhookEvents.inc({ webhook, outcome }, events);
    if (status !== null && status >= 200 && status < 300) {
      await database.removeWebhookEvent(event);
      count('delivered');
      log.info('told a webhook that a batch ended');
    } else if (status === 410) {
      count('given_up', await database.endWebhook(webhook));
      log.error('a webhook is gone (410); it is told nothing more until Bora is started again');
    } else if (clock.now() - event.endedAt >= GIVE_UP_AFTER_MS) {
      await database.removeWebhookEvent(event);
      count('given_up');
      log.error('gave up telling a webhook that a batch ended');
    } else {
      const delayMs = retryDelayMs(event.attempts, random());
      await database.postponeWebhookEvent(event, delayMs);
      count('retried');
      log.warn({ nextTryInSeconds: Math.round(delayMs / 1000) }, 'a webhook did not take an event');
    }
  }
}
