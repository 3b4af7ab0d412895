import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultyDatabase } from '@bora/testkit/faulty-database';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { noteUptime } from '../src/batches/downtime.ts';
import { silentLog } from '../src/observe/log.ts';
import { openEngineWorld } from './engine-world.ts';

test('no deadline is looked at before downtime was given back, also where that fails at first', async () => {
  const calls: string[] = [];
  await using world = await openEngineWorld({
    speed: 20,
    database: (database) =>
      faultyDatabase(database, (method, call) => {
        calls.push(method);
        if (method !== 'addDowntime' || call > 2) return 'pass';
        return call === 1 ? 'fail-before' : 'fail-after-commit';
      }),
  });
  world.worker.start();
  await world.waitFor(() => calls.includes('nextDeadline') && calls.includes('noteUp'));
  const kept = calls.filter((method) => ['addDowntime', 'nextDeadline', 'noteUp'].includes(method));
  assert.deepEqual(kept.slice(0, 4), ['addDowntime', 'addDowntime', 'addDowntime', 'nextDeadline']);
  assert.equal(calls.filter((method) => method === 'addDowntime').length, 3);
});

test('it is noted every five seconds that a Bora is up, through failures, and a last time at the stop', async () => {
  const clock = new SimulatedClock();
  const start = clock.now();
  const notes: number[] = [];
  const database = {
    addDowntime: () => assert.fail('that is for the start'),
    noteUp: () => {
      notes.push(clock.now() - start);
      return notes.length === 1 ? Promise.reject(new Error('busy')) : Promise.resolve();
    },
  };
  const stop = new AbortController();
  const noting = noteUptime({ database, clock, log: silentLog }, stop.signal);
  await clock.advance(12_000);
  stop.abort();
  await noting;
  assert.deepEqual(notes, [5_000, 10_000, 12_000]);
});

test('a stop before the start was through notes nothing', async () => {
  const database = {
    addDowntime: () => Promise.resolve(0),
    noteUp: () => assert.fail('the downtime before would be lost'),
  };
  const deps = { database, clock: new SimulatedClock(), log: silentLog };
  await noteUptime(deps, AbortSignal.abort());
});
