import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '@bora/testkit/simulated-clock';
import { Bell } from '../src/observe/bell.ts';

test('a bell rung before the wait is remembered once', async () => {
  const clock = new SimulatedClock();
  const bell = new Bell();
  bell.ring();
  bell.ring();
  assert.equal(await bell.wait(clock, 1_000), true);
  const second = bell.wait(clock, 1_000);
  await clock.advance(1_000);
  assert.equal(await second, false);
});

test('a bell rung during the wait ends it and leaves no timer behind', async () => {
  const clock = new SimulatedClock();
  const bell = new Bell();
  const waiting = bell.wait(clock, 1_000);
  assert.equal(clock.waiting, 1);
  bell.ring();
  assert.equal(await waiting, true);
  assert.equal(clock.waiting, 0);
});
