import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { DatabaseWorld } from '@bora/testkit/contracts/database/database-world';
import { openEmptySqlite } from '@bora/testkit/contracts/database/open-empty-sqlite';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import type { FaultPlan } from '@bora/testkit/faulty-database';
import fc from 'fast-check';
import { createLog } from '../src/observe/log.ts';
import { Metrics } from '../src/observe/metrics.ts';
import { WebhookDelivery } from '../src/webhooks/delivery.ts';
import type { Receiver } from '../src/webhooks/delivery.ts';
import { GIVE_UP_AFTER_MS, retryDelayMs } from '../src/webhooks/retry-delay.ts';
import { startWebhookReceiver } from './webhook-receiver.ts';
import type { WebhookReceiver } from './webhook-receiver.ts';

const HOUR_MS = 60 * 60 * 1000;

describe('a webhook is told of a batch that ended', { timeout: 60_000 }, () => {
  it('until it takes it, later each time, signed anew under the same id', async () => {
    await using world = await DeliveryWorld.open(status(500, 503, 302, 404, 204));
    const batch = await world.endBatch();
    const waits = [0, 10_000, 30_000, 90_000, 270_000];
    for (const [at, wait] of waits.entries()) {
      if (wait > 0) await world.pass(wait - 1);
      if (wait > 0) assert.equal(await world.deliverDue(), 0, `before attempt ${at + 1}`);
      await world.pass(1);
      assert.equal(await world.deliverDue(), 1, `attempt ${at + 1}`);
    }
    await world.pass(GIVE_UP_AFTER_MS);
    assert.equal(await world.deliverDue(), 0);

    const { deliveries } = world.server;
    assert.equal(deliveries.length, waits.length);
    assert.equal(new Set(deliveries.map(({ headers }) => headers['webhook-id'])).size, 1);
    assert.equal(new Set(deliveries.map(({ headers }) => headers['webhook-signature'])).size, waits.length);
    assert.equal(new Set(deliveries.map(({ body }) => body)).size, 1);
    const sentAt = deliveries.map(({ headers }) => Number(headers['webhook-timestamp']));
    const [first = 0] = sentAt;
    assert.deepEqual(
      sentAt.map((seconds) => seconds - first),
      [0, 10, 40, 130, 400],
    );
    assert.deepEqual(await world.counted(), { retried: 4, delivered: 1 });
    const [lines, told] = [
      world.logLines('a webhook did not take an event'),
      world.logLines('told a webhook'),
    ];
    assert.deepEqual(
      lines.map(({ webhook, batch: id, attempt, status: code }) => [webhook, id, attempt, code]),
      [500, 503, 302, 404].map((code, at) => ['it', batch, at + 1, code]),
    );
    assert.deepEqual([told.length, told[0]?.['batch']], [1, batch]);
    assert.doesNotMatch(world.log.join(''), /secret/, 'neither its key nor its path');
  });

  it('for three days, and then no more', async () => {
    await using world = await DeliveryWorld.open(status(500));
    await world.endBatch();
    let attempts = 0;
    for (let passed = 0; passed < GIVE_UP_AFTER_MS; passed += HOUR_MS) {
      attempts += await world.deliverDue();
      await world.pass(HOUR_MS);
    }
    assert.equal(attempts, 72);
    assert.equal(await world.deliverDue(), 1);
    await world.pass(GIVE_UP_AFTER_MS);
    assert.equal(await world.deliverDue(), 0);
    assert.deepEqual(await world.counted(), { retried: 72, given_up: 1 });
    assert.equal(world.logLines('gave up telling').length, 1);
  });

  it('once it answers, though it answers 410, which ends it until the next start', async () => {
    await using world = await DeliveryWorld.open(status(500, 410, 200));
    await world.endBatch();
    assert.equal(await world.deliverDue(), 1);
    await world.endBatch();
    assert.equal(await world.deliverDue(), 1);
    await world.endBatch();
    await world.pass(HOUR_MS);
    assert.equal(await world.deliverDue(), 0);
    assert.deepEqual(await world.counted(), { retried: 1, given_up: 2 });
    await world.delivery.configure();
    await world.endBatch();
    assert.equal(await world.deliverDue(), 1);
    assert.deepEqual(await world.counted(), { retried: 1, given_up: 2, delivered: 1 });
  });

  it('again if it gives no answer within 15 seconds, or breaks off', async () => {
    await using world = await DeliveryWorld.open((response, call) => {
      if (call === 2) response.destroy();
    });
    await world.endBatch();
    const attempt = world.deliverDue();
    await world.server.received(1);
    await world.pass(15_000);
    assert.equal(await attempt, 1);
    await world.pass(10_000);
    assert.equal(await world.deliverDue(), 1);
    assert.deepEqual(await world.counted(), { retried: 2 });
    const [late, broken] = world.logLines('a webhook did not take an event');
    assert.match(JSON.stringify(late), /No answer came within 15 s/);
    assert.ok(late?.['status'] === null && broken?.['status'] === null);
  });

  it('by its status alone: a redirect is not followed, and an answer without end is let go', async () => {
    const closed = Promise.withResolvers<void>();
    await using world = await DeliveryWorld.open((response, call) => {
      if (call === 1) response.writeHead(307, { location: '/elsewhere' }).end();
      else {
        response.on('close', () => closed.resolve());
        response.writeHead(200).write('x'.repeat(100_000));
      }
    });
    await world.endBatch();
    assert.equal(await world.deliverDue(), 1);
    await world.pass(10_000);
    assert.equal(await world.deliverDue(), 1);
    await closed.promise;
    assert.deepEqual(
      world.server.deliveries.map(({ path }) => path),
      ['/secret', '/secret'],
    );
    assert.deepEqual(await world.counted(), { retried: 1, delivered: 1 });
  });

  it('also where what became of it could not be noted, or its claim was not heard of: it comes twice then', async () => {
    const plan: FaultPlan = (method, call) =>
      (method === 'claimWebhookEvents' && call === 1) || (method === 'removeWebhookEvent' && call === 2)
        ? 'fail-after-commit'
        : method === 'removeWebhookEvent' && call === 1
          ? 'fail-before'
          : 'pass';
    await using world = await DeliveryWorld.open(status(200), plan);
    await world.endBatch();
    assert.equal(await world.deliverDue(), 0, 'the claim is not heard of');
    await world.pass(30_000);
    assert.equal(await world.deliverDue(), 1, 'delivered, and not noted');
    await world.pass(30_000);
    assert.equal(await world.deliverDue(), 1, 'delivered and noted');
    await world.pass(30_000);
    assert.equal(await world.deliverDue(), 0);
    assert.equal(world.server.deliveries.length, 2);
    assert.equal(world.logLines('what became of a webhook event could not be noted').length, 2);
  });

  it('while another hangs', async () => {
    await using world = await DeliveryWorld.open(() => {});
    await using other = await startWebhookReceiver();
    const delivery = world.deliveryTo([world.receiver, receiverOf(other, 'other')]);
    await using stopping = new AsyncDisposableStack();
    stopping.defer(() => delivery.stop());
    await delivery.configure();
    for (let batches = 0; batches < 10; batches++) await world.endBatch();
    delivery.start();
    await world.server.received(8);
    await other.received(10);
    await world.endBatch();
    await other.received(11);
    assert.equal(world.server.deliveries.length, 8, 'no more than so many at once');
  });

  it('after the next start if it was in flight at the stop', async () => {
    await using world = await DeliveryWorld.open((response, call) => void (call === 2 && response.end()));
    await world.endBatch();
    world.delivery.start();
    await world.server.received(1);
    await world.delivery.stop();
    const next = world.deliveryTo([world.receiver]);
    assert.equal(await next.deliverDue(world.receiver), 1, 'at once');
    assert.deepEqual(await world.counted(), { delivered: 1 });
  });
});

it('a webhook of a workspace that is not there is warned of at the start', async () => {
  await using world = await DeliveryWorld.open(status(200));
  await world.deliveryTo([{ ...world.receiver, workspace: 'nobody' }]).configure();
  assert.deepEqual(
    world.logLines('a webhook names a workspace that is not there').map(({ workspace }) => workspace),
    ['nobody'],
  );
});

it('waits for a retry grow to an hour, each up to a half shorter', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, r) => {
        const [longest, wait] = [retryDelayMs(n, 0), retryDelayMs(n, r)];
        assert.ok(wait <= longest && wait >= longest / 2);
        assert.ok(longest >= retryDelayMs(n - 1, 0) || n === 1);
        assert.equal(longest, Math.min(HOUR_MS, 10_000 * 3 ** (n - 1)));
      },
    ),
  );
});

/** A receiver that answers with these, and then with the last of them. */
function status(...codes: readonly number[]): (response: ServerResponse, call: number) => void {
  return (response, call) => response.writeHead(codes[call - 1] ?? codes.at(-1)!).end();
}

function receiverOf(server: WebhookReceiver, name: string): Receiver {
  const url = `${server.url}/secret`;
  return { name, url, key: Buffer.from('secret'), workspace: null, states: ['cancelled'] };
}

/** A database on a simulated clock, a server that receives, and who delivers to it. */
class DeliveryWorld implements AsyncDisposable {
  readonly log: string[] = [];
  readonly server: WebhookReceiver;
  readonly receiver: Receiver;
  readonly delivery: WebhookDelivery;
  readonly #world: DatabaseWorld;
  readonly #metrics = new Metrics();

  private constructor(world: DatabaseWorld, server: WebhookReceiver) {
    this.#world = world;
    this.server = server;
    this.receiver = receiverOf(server, 'it');
    this.delivery = this.deliveryTo([this.receiver]);
  }

  static async open(
    answer: (response: ServerResponse, call: number) => void,
    plan: FaultPlan = () => 'pass',
  ): Promise<DeliveryWorld> {
    const open = () => openEmptySqlite(undefined, (database) => faultyDatabase(database, plan));
    const world = new DeliveryWorld(await DatabaseWorld.open(open), await startWebhookReceiver(answer));
    await world.delivery.configure();
    return world;
  }

  deliveryTo(receivers: readonly Receiver[]): WebhookDelivery {
    return new WebhookDelivery({
      receivers,
      database: this.#world.database,
      clock: this.#world.clock,
      random: () => 0,
      log: createLog('info', { write: (line) => void this.log.push(line) }),
      metrics: this.#metrics,
    });
  }

  deliverDue(): Promise<number> {
    return this.delivery.deliverDue(this.receiver);
  }

  /** By cancelling it. */
  async endBatch(): Promise<string> {
    const { id } = await this.#world.createBatch();
    await this.#world.database.cancelBatch(this.#world.workspaceId, id);
    return id;
  }

  pass(ms: number): Promise<void> {
    return this.#world.clock.advance(ms);
  }

  async counted(): Promise<Record<string, number>> {
    const { values } = await this.#metrics.webhookEvents.get();
    return Object.fromEntries(values.map(({ labels, value }) => [String(labels.outcome), value]));
  }

  logLines(message: string): Record<string, unknown>[] {
    const lines = this.log.map((line) => JSON.parse(line) as Record<string, unknown>);
    return lines.filter(({ msg }) => String(msg).startsWith(message));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.delivery.stop();
    await this.server[Symbol.asyncDispose]();
    await this.#world[Symbol.asyncDispose]();
  }
}
