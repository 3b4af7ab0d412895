import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { contentRangeHeader, contentRangeOf } from '../src/files/ranges.ts';

const file = { size: 1_000, etag: '"abc"' };
const whole = { kind: 'whole' };
const unsatisfiable = { kind: 'unsatisfiable' };

describe('a Range header', () => {
  const cases: readonly [header: string | undefined, expected: object][] = [
    [undefined, whole],
    ['bytes=0-499', { kind: 'partial', start: 0, end: 500 }],
    ['bytes=999-999', { kind: 'partial', start: 999, end: 1_000 }],
    ['bytes=500-', { kind: 'partial', start: 500, end: 1_000 }],
    ['bytes=0-', { kind: 'partial', start: 0, end: 1_000 }],
    ['bytes=-1', { kind: 'partial', start: 999, end: 1_000 }],
    ['bytes=-5000', { kind: 'partial', start: 0, end: 1_000 }],
    ['bytes=900-99999999999999999999999', { kind: 'partial', start: 900, end: 1_000 }],
    ['BYTES=0-0', { kind: 'partial', start: 0, end: 1 }],
    ['bytes= 0-0 ', { kind: 'partial', start: 0, end: 1 }],
    ['bytes=1000-', unsatisfiable],
    ['bytes=1000-1001', unsatisfiable],
    ['bytes=99999999999999999999999-', unsatisfiable],
    ['bytes=-0', unsatisfiable],
    ['bytes=500-499', whole],
    ['bytes=0-0,2-3', whole],
    ['bytes=-', whole],
    ['bytes=', whole],
    ['bytes', whole],
    ['bytes=a-b', whole],
    ['bytes=0x1-2', whole],
    ['bytes=-1-2', whole],
    ['lines=0-1', whole],
    ['', whole],
  ];
  for (const [range, expected] of cases) {
    it(`${JSON.stringify(range)} asks for ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(contentRangeOf({ range }, file), expected);
    });
  }

  it('counts only while If-Range names this very content', () => {
    const range = 'bytes=0-0';
    const partial = { kind: 'partial', start: 0, end: 1 };
    assert.deepEqual(contentRangeOf({ range, ifRange: '"abc"' }, file), partial);
    assert.deepEqual(contentRangeOf({ range, ifRange: '"other"' }, file), whole);
    assert.deepEqual(contentRangeOf({ range, ifRange: 'W/"abc"' }, file), whole);
    assert.deepEqual(contentRangeOf({ range, ifRange: 'Fri, 21 Nov 2025 10:00:00 GMT' }, file), whole);
    assert.deepEqual(contentRangeOf({ range: 'bytes=1000-', ifRange: '"other"' }, file), whole);
    assert.deepEqual(contentRangeOf({ ifRange: '"abc"' }, file), whole);
  });

  it('finds nothing to give of an empty file', () => {
    const empty = { size: 0, etag: '"e"' };
    assert.deepEqual(contentRangeOf({ range: 'bytes=0-' }, empty), unsatisfiable);
    assert.deepEqual(contentRangeOf({ range: 'bytes=-5' }, empty), whole);
  });

  it('never asks for bytes outside the file, and for those that were named', () => {
    const digits = fc.option(fc.nat(60), { nil: '' as const });
    fc.assert(
      fc.property(fc.nat(40), digits, digits, (size, first, last) => {
        const range = contentRangeOf({ range: `bytes=${first}-${last}` }, { size, etag: '"e"' });
        if (range.kind !== 'partial') return;
        const all = Array.from({ length: size }, (_, at) => at);
        const wanted =
          first === ''
            ? all.slice(-Number(last))
            : all.filter((at) => at >= first && (last === '' || at <= last));
        assert.deepEqual(all.slice(range.start, range.end), wanted);
        assert.ok(wanted.length > 0);
      }),
    );
  });

  it('is answered with the range that is sent', () => {
    assert.equal(contentRangeHeader({ kind: 'partial', start: 0, end: 500 }, 1_000), 'bytes 0-499/1000');
    assert.equal(contentRangeHeader({ kind: 'unsatisfiable' }, 1_000), 'bytes */1000');
  });
});
