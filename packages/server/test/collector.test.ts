import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { Collector } from '../src/files/collector.ts';
import { silentLog } from '../src/observe/log.ts';
import type { CollectableBlob } from '../src/storage/ports/blob-names.ts';

const HOUR_MS = 60 * 60 * 1000;

describe('collection', () => {
  it('removes bytes before it marks them, and only those it removed', async () => {
    const world = new World([blob('a'), blob('b', 'second'), blob('stuck'), blob('c')]);
    const round = await world.collector.runOnce();
    assert.deepEqual(round, { expired: 0, erased: 3 });
    assert.deepEqual(world.events, [
      'collectable 3600000',
      'remove a',
      'remove b',
      'remove c',
      'sync',
      'mark a b c',
    ]);
  });

  it('marks nothing when there is nothing', async () => {
    const world = new World([]);
    await world.collector.runOnce();
    assert.deepEqual(world.events, [`collectable ${HOUR_MS}`]);
  });

  it('survives a database or a disk that fails anywhere, and collects in the next round', async () => {
    for (const failing of [
      'expireFiles',
      'expireUploads',
      'collectableBlobs',
      'syncRemovals',
      'markErased',
    ] as const) {
      const world = new World([blob('a')]);
      world.failing = failing;
      const { erased } = await world.collector.runOnce();
      assert.equal(erased, failing.startsWith('expire') ? 1 : 0);
      world.failing = null;
      await world.collector.runOnce();
      assert.ok(world.events.includes('mark a'), failing);
    }
  });

  it('goes on every minute until it is stopped', async () => {
    const world = new World([blob('a')]);
    world.collector.start();
    world.collector.start();
    await world.clock.advance(2 * 60_000);
    await world.collector.stop();
    await world.collector.stop();
    await world.clock.advance(HOUR_MS);
    assert.equal(world.events.filter((event) => event.startsWith('collectable')).length, 3);
  });

  it('does not wait while rounds are full', async () => {
    const world = new World(Array.from({ length: 2_500 }, (_, at) => blob(`blob-${at}`)));
    world.collector.start();
    await world.clock.advance(0);
    await world.collector.stop();
    assert.equal(world.events.filter((event) => event.startsWith('remove')).length, 2_500);
    assert.equal(world.events.filter((event) => event.startsWith('collectable')).length, 3);
  });

  it('goes on past any number of blobs that cannot be removed, and tries them again a minute later', async () => {
    const stuck = Array.from({ length: 1_500 }, (_, at) => blob(`stuck-${at}`));
    const world = new World([...stuck, blob('last')]);
    world.collector.start();
    await world.clock.advance(0);
    assert.deepEqual(world.events, [
      'collectable 3600000',
      'collectable 3600000',
      'remove last',
      'sync',
      'mark last',
    ]);
    world.isStuck = () => false;
    await world.clock.advance(60_000);
    await world.collector.stop();
    assert.equal(world.events.filter((event) => event.startsWith('remove')).length, 1_501);
  });

  it('stops in the middle of a round and marks what it removed', async () => {
    const world = new World([blob('a'), blob('b'), blob('c')]);
    const removing = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    world.onRemove = async () => {
      removing.resolve();
      await gate.promise;
    };
    world.collector.start();
    await removing.promise;
    const stopped = world.collector.stop();
    gate.resolve();
    await stopped;
    assert.deepEqual(world.events.slice(1), ['remove a', 'sync', 'mark a']);
  });
});

function blob(name: string, pass: CollectableBlob['pass'] = 'first'): CollectableBlob {
  return { name, pass, since: 0 };
}

/** A database, a blob store and a clock; what is asked of the first two is recorded. */
class World {
  readonly events: string[] = [];
  readonly clock = new SimulatedClock();
  readonly collector: Collector;
  failing: 'expireFiles' | 'expireUploads' | 'collectableBlobs' | 'markErased' | 'syncRemovals' | null = null;
  isStuck = (name: string): boolean => name.startsWith('stuck');
  onRemove: () => Promise<void> = async () => {};
  readonly #all: readonly CollectableBlob[];
  readonly #erased = new Set<CollectableBlob>();

  constructor(collectable: readonly CollectableBlob[]) {
    this.#all = collectable;
    this.collector = new Collector({ database: this, blobs: this, clock: this.clock, log: silentLog });
  }

  async expireFiles(): Promise<number> {
    this.#mayFail('expireFiles');
    return 0;
  }

  async expireUploads(): Promise<number> {
    this.#mayFail('expireUploads');
    return 0;
  }

  async collectableBlobs(
    graceMs: number,
    limit: number,
    after?: CollectableBlob,
  ): Promise<CollectableBlob[]> {
    this.#mayFail('collectableBlobs');
    this.events.push(`collectable ${graceMs}`);
    const rest = this.#all.slice(after === undefined ? 0 : this.#all.indexOf(after) + 1);
    return rest.filter((one) => !this.#erased.has(one)).slice(0, limit);
  }

  async markErased(blobs: readonly CollectableBlob[]): Promise<void> {
    this.#mayFail('markErased');
    for (const one of blobs) this.#erased.add(one);
    this.events.push(`mark ${blobs.map(({ name }) => name).join(' ')}`);
  }

  async remove(name: string): Promise<void> {
    if (this.isStuck(name)) throw new Error('the disk is read-only');
    this.events.push(`remove ${name}`);
    await this.onRemove();
  }

  async syncRemovals(): Promise<void> {
    this.#mayFail('syncRemovals');
    this.events.push('sync');
  }

  #mayFail(method: string): void {
    if (this.failing === method) throw new Error(`${method} failed`);
  }
}
