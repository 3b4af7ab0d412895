import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
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

test('it is so as well where there are too many ids to keep them one by one', () => {
  const ids = new RepeatedIds();
  const count = 300_000;
  for (let at = 0; at < count; at++) assert.equal(ids.add(`request-${at}`), false, `request-${at}`);
  for (let at = 0; at < count; at += 997) assert.equal(ids.add(`request-${at}`), true, `request-${at}`);
});

test('keys of counted ids are all different', () => {
  const keys = new Set<number>();
  for (let at = 0; at < 300_000; at++) keys.add(idKeyOf(`${at}`));
  assert.equal(keys.size, 300_000);
});
