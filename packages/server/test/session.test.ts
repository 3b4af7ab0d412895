import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { openSession } from '../src/batches/session.ts';
import type { Clock } from '../src/observe/clock.ts';
import { silentLog } from '../src/observe/log.ts';
import type { Sessions } from '../src/storage/ports/sessions.ts';

const TTL_MS = 30_000;

describe('sessions of one process', () => {
  it('survive a machine that slept, whoever of them wakes first', async () => {
    for (const apartMs of [0, 1, 5_000, 9_999]) {
      const world = new World();
      const first = await openSession(world.database, world.clock, silentLog);
      await world.time.advance(apartMs);
      const second = await openSession(world.database, world.clock, silentLog);
      for (const asleepMs of [31_000, 3_600_000]) {
        await world.time.advance(TTL_MS);
        world.sleptMs += asleepMs;
        await world.time.advance(2 * TTL_MS);
      }
      assert.deepEqual([first.lost.aborted, second.lost.aborted], [false, false], `${apartMs} ms apart`);
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    }
  });

  it('survive a database that did not answer for a while', async () => {
    const world = new World();
    const first = await openSession(world.database, world.clock, silentLog);
    const second = await openSession(world.database, world.clock, silentLog);
    await world.time.advance(TTL_MS);
    world.isFailing = true;
    await world.time.advance(2 * TTL_MS);
    world.isFailing = false;
    await world.time.advance(2 * TTL_MS);
    assert.deepEqual([first.lost.aborted, second.lost.aborted], [false, false]);
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  it('bury one that stays silent, also after they slept', async () => {
    const world = new World();
    await using session = await openSession(world.database, world.clock, silentLog);
    await world.time.advance(TTL_MS);
    world.sleptMs += 3_600_000;
    world.heartbeats.set('silent', world.clock.now());
    await world.time.advance(TTL_MS);
    assert.equal(world.heartbeats.has('silent'), true);
    await world.time.advance(2 * TTL_MS);
    assert.equal(world.heartbeats.has('silent'), false);
    assert.equal(session.lost.aborted, false);
  });
});

/** Heartbeats, as a database keeps them, of a machine that may sleep: its wall clock goes on then, its timers do not. */
class World {
  readonly time = new SimulatedClock();
  readonly heartbeats = new Map<string, number>();
  sleptMs = 0;
  isFailing = false;

  readonly clock: Clock = {
    now: () => this.time.now() + this.sleptMs,
    elapsed: () => this.time.elapsed(),
    sleep: (ms, signal) => this.time.sleep(ms, signal),
    after: (ms, action) => this.time.after(ms, action),
  };

  readonly database: Sessions = {
    openSession: async () => {
      const id = `session-${this.heartbeats.size}`;
      this.heartbeats.set(id, this.clock.now());
      return id;
    },
    heartbeat: async (session) => {
      if (this.isFailing) throw new Error('The database does not answer.');
      if (!this.heartbeats.has(session)) return false;
      this.heartbeats.set(session, this.clock.now());
      return true;
    },
    burySilentSessions: async (ttlMs) => {
      const silent = [...this.heartbeats].filter(([, beatAt]) => beatAt < this.clock.now() - ttlMs);
      for (const [session] of silent) this.heartbeats.delete(session);
      return silent.length;
    },
    leasesOf: async () => ({ shards: [], tasks: [] }),
    closeSession: async (session) => {
      this.heartbeats.delete(session);
    },
  };
}
