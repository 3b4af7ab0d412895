import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText, rateText } from '../src/human-text.ts';
import { renderTable } from '../src/table.ts';

test('durations are told in their two largest units', () => {
  const texts = [0, 999, 1_000, 59_400, 60_000, 200_000, 3_600_000, 18_120_000, 183_600_000].map(
    durationText,
  );
  assert.deepEqual(texts, [
    '0 ms',
    '999 ms',
    '1 s',
    '59 s',
    '1 min',
    '3 min 20 s',
    '1 h',
    '5 h 2 min',
    '2 d 3 h',
  ]);
});

test('rates are told as precisely as they matter', () => {
  assert.deepEqual([0.42, 12.51, 1240.2].map(rateText), ['0.4/s', '12.5/s', '1,240/s']);
});

test('a table aligns, clips and keeps each row on one line', () => {
  const table = renderTable(
    [{ title: 'id' }, { title: 'tokens', align: 'right' }, { title: 'text', maxWidth: 8 }],
    [
      ['a', '12', 'one\ntwo'],
      ['bbb', '3', 'longer than eight'],
    ],
  );
  assert.equal(
    table,
    ['id   tokens  text', '───  ──────  ────────', 'a        12  one two', 'bbb       3  longer …'].join(
      '\n',
    ),
  );
});
