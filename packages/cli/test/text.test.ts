import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesText, distanceText, durationText, momentText, rateText } from '../src/human-text.ts';
import { Output } from '../src/output.ts';
import { renderFields, renderTable } from '../src/table.ts';

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

test('sizes are told in the largest unit that fits', () => {
  const texts = [0, 1023, 1024, 1536, 10 * 1024, 1024 ** 2 * 12, 1024 ** 4 * 2, 1024 ** 5 * 3].map(bytesText);
  assert.deepEqual(texts, [
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '10 KiB',
    '12 MiB',
    '2.0 TiB',
    '3,072 TiB',
  ]);
});

test('distances in time are told in their largest unit, both ways', () => {
  const texts = [-4_000, 4_000, -5_000, -59_000, -60_000, -7_199_000, 7_200_000, -172_800_000].map(
    distanceText,
  );
  assert.deepEqual(texts, [
    'just now',
    'just now',
    '5 s ago',
    '59 s ago',
    '1 min ago',
    '1 h ago',
    'in 2 h',
    '2 d ago',
  ]);
});

test('a terminal gets relative times and rounded sizes, a pipe the same text each time', () => {
  const now = (): number => 1_700_000_120_000;
  const terminal = new Output(false, { isTTY: true }, now);
  const pipe = new Output(false, {}, now);
  assert.deepEqual([terminal.when(1_700_000_000), terminal.size(2048)], ['2 min ago', '2.0 KiB']);
  assert.deepEqual([pipe.when(1_700_000_000), pipe.size(2048)], ['2023-11-14T22:13:20Z', '2048']);
  assert.deepEqual([terminal.when(null), pipe.when(null), momentText(null)], ['', '', '']);
});

test('the fields of one thing stand below each other; what has no value is left out', () => {
  const fields = renderFields([
    ['job', 'a'],
    ['failure', ''],
    ['waits for', 'one\ntwo'],
  ]);
  assert.equal(fields, 'job        a\nwaits for  one two');
});
