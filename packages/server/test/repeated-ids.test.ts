import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SharedBytes } from '../src/files/index-memory.ts';
import { idKeyOf, RepeatedIds } from '../src/files/repeated-ids.ts';

test('an id that came before is always told, and one that did not hardly ever', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), (given) => {
      const ids = new RepeatedIds();
      const seen = new Set<string>();
      for (const id of given) {
        assert.equal(ids.add(id), seen.has(id));
        seen.add(id);
      }
    }),
  );
});

for (const count of [300_000, 1_200_000]) {
  test(`it is so as well of ${count} ids, which are not kept one by one`, () => {
    const ids = new RepeatedIds();
    for (let at = 0; at < count; at++)
      if (ids.add(`request-${at}`)) assert.fail(`request-${at} was not there`);
    for (let at = 0; at < count; at += 997) assert.equal(ids.add(`request-${at}`), true, `request-${at}`);
  });
}

test('keys of counted ids are all different', () => {
  const keys = new Set<number>();
  for (let at = 0; at < 300_000; at++) keys.add(idKeyOf(`${at}`));
  assert.equal(keys.size, 300_000);
});

test('where others hold the memory any id may repeat from then on, and what is dropped is theirs', () => {
  const memory = new SharedBytes(17 * 1024 * 1024);
  const large = new RepeatedIds(memory.share());
  for (let at = 0; at < 70_000; at++) assert.equal(large.add(`${at}`), false);
  const told = (ids: RepeatedIds): number => {
    let at = 0;
    while (at < 100_000 && !ids.add(`${at}`)) at += 1;
    return at;
  };
  // A table of 1 MiB for half as many ids as it has places for, and no filter behind it.
  assert.equal(told(new RepeatedIds(memory.share())), 65_535);
  large.drop();
  assert.equal(told(new RepeatedIds(memory.share())), 100_000);
});
