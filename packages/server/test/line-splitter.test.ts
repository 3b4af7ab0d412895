import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { LineSplitter, MAX_LINE_BYTES } from '../src/bytes/line-splitter.ts';
import type { Line, SplitFrom } from '../src/bytes/line-splitter.ts';
import { chunkings, singleBytes } from './byte-arbitraries.ts';

function split(chunks: Iterable<Uint8Array>, from?: SplitFrom): Line[] {
  const splitter = new LineSplitter(from);
  const lines: Line[] = [];
  for (const chunk of chunks) {
    // Lines are views of their chunk; a copy of the chunk that is wiped afterwards would show one that is kept too long.
    const lent = new Uint8Array(chunk);
    for (const line of splitter.push(lent))
      lines.push({ ...line, content: line.content && new Uint8Array(line.content) });
    lent.fill(0x58);
  }
  return [...lines, ...splitter.finish()];
}

function textsOf(lines: readonly Line[]): (string | null)[] {
  return lines.map(({ content }) => content && Buffer.from(content).toString());
}

const fileBytes = fc
  .array(fc.constantFrom('a', '{}', '\n', '\r\n', '\r', ' ', '\t', '\u2028', 'é', '🌬', '\u0000', '\ufeff'), {
    maxLength: 40,
  })
  .map((pieces) => Buffer.from(pieces.join('')));

test('lines are what splitting the whole text at line feeds gives, whatever the chunks', () => {
  fc.assert(
    fc.property(
      fileBytes.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes))),
      ([bytes, chunks]) => {
        const physical = bytes.toString().split('\n');
        if (physical.at(-1) === '') physical.pop();
        const expected = physical.map((line, at) =>
          (at === 0 ? line.replace(/^\ufeff/, '') : line).replace(/\r$/, ''),
        );

        const lines = split(chunks);
        assert.deepEqual(textsOf(lines), expected);
        assert.deepEqual(
          lines.map(({ number }) => number),
          expected.map((_, at) => at + 1),
        );
        assert.deepEqual(
          lines.map(({ isBlank }) => isBlank),
          expected.map((line) => /^[ \t\r]*$/.test(line)),
        );
      },
    ),
  );
});

test('offsets of lines tile the file', () => {
  fc.assert(
    fc.property(
      fileBytes.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes))),
      ([bytes, chunks]) => {
        const lines = split(chunks);
        const pieces = lines.map(({ start, end }) => bytes.subarray(start, end));
        assert.deepEqual(Buffer.concat(pieces), Buffer.concat([bytes]));
        for (const [at, line] of lines.entries()) assert.equal(line.start, lines[at - 1]?.end ?? 0);
      },
    ),
  );
});

test('a page from the middle of a file keeps the numbers and offsets of the file, and its byte order marks', () => {
  const page = Buffer.from('\ufeffa\nb');
  const lines = split([page], { start: 100, number: 7 });
  assert.deepEqual(textsOf(lines), ['\ufeffa', 'b']);
  assert.deepEqual(
    lines.map(({ number, start, end }) => [number, start, end]),
    [
      [7, 100, 105],
      [8, 105, 106],
    ],
  );
});

test('a line inside one chunk is not copied', () => {
  const chunk = Buffer.from('first\nsecond\nth');
  const contents = [...new LineSplitter().push(chunk)].map(({ content }) => content!);
  assert.deepEqual(
    contents.map(String),
    ['first', 'second'].map((text) => String(Buffer.from(text))),
  );
  for (const content of contents) assert.equal(content.buffer, chunk.buffer);
});

test('the limit is on the content: line break and byte order mark do not count', () => {
  for (const text of ['\ufeffabcd\r\nabcd\nabcde\nab', 'abcd\r\nabcd\r\nabcde\r\nab']) {
    for (const chunks of [[Buffer.from(text)], singleBytes(Buffer.from(text))]) {
      assert.deepEqual(textsOf(split(chunks, { maxLineBytes: 4 })), ['abcd', 'abcd', null, 'ab']);
    }
  }
});

test('a line of nothing but whitespace is blank, however long and whatever the limit', () => {
  const text = `${' '.repeat(9)}\n${' '.repeat(9)}x\n \t \t \t \r\n${' '.repeat(9)}`;
  for (const maxLineBytes of [4, 100]) {
    for (const chunks of [[Buffer.from(text)], singleBytes(Buffer.from(text))]) {
      assert.deepEqual(
        split(chunks, { maxLineBytes }).map(({ isBlank }) => isBlank),
        [true, false, true, true],
      );
    }
  }
});

test('a line of exactly 16 MiB is kept, one byte more is reported without being held', () => {
  const block = Buffer.alloc(64 * 1024, 'x');
  const blocks = Array.from({ length: MAX_LINE_BYTES / block.length }, () => block);
  const lines = split([...blocks, Buffer.from('\n'), ...blocks, Buffer.from('y\r\n{}')]);
  assert.deepEqual(
    lines.map(({ content, number, start, end }) => [content?.length ?? null, number, start, end]),
    [
      [MAX_LINE_BYTES, 1, 0, MAX_LINE_BYTES + 1],
      [null, 2, MAX_LINE_BYTES + 1, 2 * MAX_LINE_BYTES + 4],
      [2, 3, 2 * MAX_LINE_BYTES + 4, 2 * MAX_LINE_BYTES + 6],
    ],
  );
});
