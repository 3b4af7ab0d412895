import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEngineWorld } from './engine-world.ts';

const LINE = JSON.stringify({ custom_id: 'a', body: { messages: [{ role: 'user', content: 'x' }] } });

test('long tasks do not hold up a short one, and four run at once', { timeout: 60_000 }, async () => {
  const held: (() => void)[] = [];
  let mayHold = 4;
  let begun = 0;
  await using world = await openEngineWorld({
    reachStopPoint: (point) => {
      if (point !== 'plan.claimed') return undefined;
      begun += 1;
      if (mayHold === 0) return undefined;
      mayHold -= 1;
      return new Promise((resolve) => held.push(resolve));
    },
  });
  using _ = { [Symbol.dispose]: () => held.forEach((letGo) => letGo()) };
  const file = await world.upload([LINE]);
  const long = [await world.create([file]), await world.create([file]), await world.create([file])];
  world.worker.start();
  await world.waitFor(() => begun === 3);
  const fourth = await world.create([file]);
  await world.waitFor(() => begun === 4);
  const fifth = await world.create([file]);
  // The hint of the fifth and what it makes the runner ask for come before the second answer.
  for (let look = 0; look < 2; look += 1) await world.database.ping();
  assert.equal(begun, 4);

  held.pop()!();
  for (const id of [fourth, fifth]) assert.equal((await world.ended(id)).state, 'completed');
  for (const id of long) assert.equal((await world.batch(id)).state, 'validating');
  for (const letGo of held) letGo();
  for (const id of long) assert.equal((await world.ended(id)).state, 'completed');
});
