import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UnreadLines } from '../src/batches/unread-lines.ts';

const LINE = fc.record({ gap: fc.nat(2), text: fc.string({ maxLength: 200 }) });

/** Lines with growing ordinals, some left out. */
const anyLines = fc.array(LINE, { maxLength: 20 }).map((lines) => {
  let next = 0;
  return lines.map(({ gap, text }) => {
    const ordinal = next + gap;
    next = ordinal + 1;
    return { ordinal, line: `{"id":"batch-0000aaaa-0000bbbb-${ordinal}","text":${JSON.stringify(text)}}\n` };
  });
});

test('passes on exactly the lines that are behind the reader, however they are cut, wherever the reader stands', () => {
  fc.assert(
    fc.property(anyLines, fc.nat(60), fc.array(fc.nat(10_000), { maxLength: 10 }), (lines, start, cuts) => {
      const bytes = Buffer.from(lines.map(({ line }) => line).join(''));
      const unread = new UnreadLines();
      unread.next = start;
      const passed: Uint8Array[] = [];
      let from = 0;
      for (const cut of [...cuts.map((at) => at % (bytes.length + 1)), bytes.length].toSorted(
        (a, b) => a - b,
      )) {
        for (const piece of unread.push(bytes.subarray(from, cut))) passed.push(Buffer.from(piece));
        from = cut;
      }
      const expected = lines.filter(({ ordinal }) => ordinal >= start);
      assert.equal(Buffer.concat(passed).toString(), expected.map(({ line }) => line).join(''));
      assert.equal(unread.next, Math.max(start, (lines.at(-1)?.ordinal ?? -1) + 1));
    }),
  );
});

test('lines that come again, as those of a shard that was committed meanwhile, are not passed on twice', () => {
  const line = (ordinal: number): string =>
    `{"id":"batch_req_${'0'.repeat(20)}${ordinal.toString(16).padStart(12, '0')}"}\n`;
  const unread = new UnreadLines();
  const pass = (ordinals: readonly number[]): string =>
    Buffer.concat([...unread.push(Buffer.from(ordinals.map(line).join('')))]).toString();
  assert.equal(pass([1, 11]), line(1) + line(11));
  assert.equal(pass([0, 1, 10, 11]), '');
  assert.equal(pass([1, 11, 12]), line(12));
});

test('what is no result line is no reason to leave out the rest in silence', () => {
  const unread = new UnreadLines();
  assert.throws(() => [...unread.push(Buffer.from('{"id":"other"}\n'))], /begins with .*other/);
});
