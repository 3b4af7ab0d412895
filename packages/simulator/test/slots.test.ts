import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '@bora/simulator/seeded-random';
import { Slots } from '@bora/simulator/slots';
import type { Stay } from '@bora/simulator/slots';
import { ManualClock } from './manual-clock.ts';

test('whoever comes and goes: never more than the slots at work, none idle while one waits, first come first served', () => {
  for (let seed = 1; seed <= 50; seed++) {
    const random = seededRandom(seed, 0, 0, 0);
    let size = 1 + Math.floor(random() * 5);
    const slots = new Slots(size, new ManualClock());
    const started: number[] = [];
    let present: Stay[] = [];
    for (let step = 0; step < 300; step++) {
      const dice = random();
      if (dice < 0.55) present.push(slots.enter(() => started.push(step)));
      else if (dice < 0.95 && present.length > 0) {
        const leaving = present[Math.floor(random() * present.length)];
        slots.leave(leaving);
        slots.leave(leaving);
        present = present.filter((stay) => stay !== leaving);
      } else slots.resize((size = 1 + Math.floor(random() * 5)));

      const running = present.filter(({ state }) => state === 'running').length;
      assert.deepEqual([slots.running, slots.waiting], [running, present.length - running]);
      assert.ok(slots.waiting === 0 || slots.running >= size);
    }
    assert.deepEqual(
      started,
      started.toSorted((a, b) => a - b),
    );
  }
});

test('shrinking lets those at work finish and starts nobody meanwhile', () => {
  const slots = new Slots(3, new ManualClock());
  const stays = Array.from({ length: 4 }, () => slots.enter(() => {}));
  slots.resize(1);
  assert.equal(slots.running, 3);
  slots.leave(stays[0]);
  slots.leave(stays[1]);
  assert.equal(stays[3].state, 'waiting');
  slots.leave(stays[2]);
  assert.equal(stays[3].state, 'running');
});

test('a queue of 100,000 is worked off one after the other', () => {
  const slots = new Slots(1, new ManualClock());
  const stays = Array.from({ length: 100_000 }, () => slots.enter(() => {}));
  let order = 0;
  for (const stay of stays) {
    if (stay.state === 'running') order++;
    slots.leave(stay);
  }
  assert.equal(order, 100_000);
});
