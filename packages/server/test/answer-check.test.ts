import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AnswerCheck, checkAnswer } from '../src/bytes/answer-check.ts';
import { MAX_DEPTH } from '../src/bytes/json-machine.ts';
import { usageOf } from '../src/bytes/read-usage.ts';
import { chunkings, damaged, jsonText, membersNamed, objectOf, singleBytes } from './byte-arbitraries.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(UTF8.decode(bytes));
    return true;
  } catch {
    return false;
  }
}

function checkInChunks(chunks: Iterable<Uint8Array>): { body: Buffer; reason: string | null } {
  const check = new AnswerCheck();
  const parts: Uint8Array[] = [];
  for (const chunk of chunks) parts.push(new Uint8Array(check.push(chunk)));
  return { body: Buffer.concat(parts), reason: check.finish() };
}

function nested(depth: number, inside: string): Buffer {
  return Buffer.from('['.repeat(depth) + inside + ']'.repeat(depth));
}

const outerSpace = fc.string({ unit: fc.constantFrom(' ', '\t', '\r', '\n'), maxLength: 3 });
const answer = fc
  .tuple(outerSpace, jsonText, outerSpace)
  .map(([before, text, after]) => Buffer.from(before + text + after));
const anyBytes = fc.oneof(
  answer,
  answer.chain(damaged),
  answer.chain(damaged).chain(damaged),
  fc.uint8Array({ maxLength: 8 }),
);

test('exactly what a strict decode and JSON.parse accept is accepted, whole or in any chunks', () => {
  fc.assert(
    fc.property(
      anyBytes.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes))),
      ([bytes, chunks]) => {
        const expected = isJson(bytes);
        assert.equal(checkAnswer(bytes).kind === 'ok', expected);
        assert.equal(checkInChunks(chunks).reason === null, expected);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('every two-byte and many a longer sequence in a string is judged as the strict decoder judges it', () => {
  const edges = [
    0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
    0xff,
  ];
  for (const first of edges) {
    for (const second of edges) {
      for (const rest of [[], [0x80], [0xbf], [0x80, 0xbf], [0x41]]) {
        const bytes = Buffer.from([0x22, first, second, ...rest, 0x22]);
        assert.equal(checkInChunks([bytes]).reason === null, isJson(bytes), bytes.toString('hex'));
      }
    }
  }
});

test('an answer keeps its bytes but for line breaks outside strings and the space around it', () => {
  fc.assert(
    fc.property(
      answer.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes))),
      ([bytes, chunks]) => {
        // Inside strings JSON has no raw line breaks, so every one of them is outside.
        const expected = bytes
          .toString()
          .replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
          .replace(/[\r\n]/g, ' ');
        const whole = checkAnswer(bytes);
        assert.ok(whole.kind === 'ok');
        assert.equal(Buffer.from(whole.body).toString(), expected);
        assert.equal(checkInChunks(chunks).body.toString(), expected);
        assert.equal(checkInChunks(singleBytes(bytes)).body.toString(), expected);
      },
    ),
  );
});

test('an answer on one line is not copied', () => {
  const bytes = Buffer.from('{"choices":[]}');
  const checked = checkAnswer(bytes);
  assert.ok(checked.kind === 'ok' && checked.body === bytes);
});

test('the bytes that were pushed are never changed', () => {
  const pretty = Buffer.from('{\n  "a": 1\n}\n');
  const before = pretty.toString();
  checkAnswer(pretty);
  assert.equal(pretty.toString(), before);
});

test('nesting ends at the same depth for small and large, whole and streamed answers', () => {
  for (const inside of ['', '1', JSON.stringify('['.repeat(5_000))]) {
    assert.equal(checkAnswer(nested(MAX_DEPTH, inside)).kind, 'ok');
    assert.equal(checkInChunks([nested(MAX_DEPTH, inside)]).reason, null);
    assert.deepEqual(checkAnswer(nested(MAX_DEPTH + 1, inside)), {
      kind: 'invalid',
      reason: 'it nests deeper than 1000 levels',
    });
    assert.match(checkInChunks([nested(MAX_DEPTH + 1, inside)]).reason!, /nests deeper/);
  }
});

test('an invalid answer is told why, and where', () => {
  const cases: [string | number[], RegExp][] = [
    ['', /no value/],
    [' \n', /no value/],
    ['{"a":1', /ends after 6 bytes/],
    ['{"a":1}{}', /byte 7 is not valid/],
    ['{"a":1,}', /byte 7 is not valid/],
    ['<html>', /byte 0 is not valid/],
    ['{"a":NaN}', /byte 5 is not valid/],
    [[0x22, 0xff, 0x22], /byte 1 is not valid/],
    ['\ufeff{}', /byte 0 is not valid/],
  ];
  for (const [text, reason] of cases) {
    const bytes = Buffer.from(text as string);
    const whole = checkAnswer(bytes);
    assert.ok(whole.kind === 'invalid', String(text));
    assert.match(whole.reason, reason);
    assert.match(checkInChunks(singleBytes(bytes)).reason!, reason);
  }
});

test('usage is read as JSON.parse reads it', () => {
  const count = fc.oneof(fc.nat().map(String), fc.constantFrom('null', '-1', '1.5', '"7"', '1e3', '[]'));
  const usage = objectOf(
    membersNamed(['prompt_tokens', 'completion_tokens', 'input_tokens', 'output_tokens'], count),
  );
  const body = objectOf(membersNamed(['usage', 'choices'], fc.oneof(usage, jsonText)));
  fc.assert(
    fc.property(body, (text) => {
      const parsed = (JSON.parse(text) as { usage?: Record<string, unknown> | null }).usage ?? {};
      const tokens = (...names: string[]): unknown => {
        const value = names
          .map((name) => parsed[name])
          .find((named) => named !== undefined && named !== null);
        return Number.isSafeInteger(value) && (value as number) >= 0 ? value : 0;
      };
      assert.deepEqual(usageOf(JSON.parse(text)), {
        inputTokens: tokens('prompt_tokens', 'input_tokens'),
        outputTokens: tokens('completion_tokens', 'output_tokens'),
      });
    }),
  );
});

test('tokens from caches and of reasoning are read under either name', () => {
  for (const [input, output] of [
    ['prompt', 'completion'],
    ['input', 'output'],
  ]) {
    const usage = {
      [`${input}_tokens`]: 5,
      [`${input}_tokens_details`]: { cached_tokens: 2 },
      [`${output}_tokens`]: 3,
      [`${output}_tokens_details`]: { reasoning_tokens: 1 },
    };
    assert.deepEqual(usageOf({ usage }), {
      inputTokens: 5,
      outputTokens: 3,
      cachedTokens: 2,
      reasoningTokens: 1,
    });
  }
  const none = {
    prompt_tokens: 5,
    prompt_tokens_details: null,
    completion_tokens_details: { reasoning_tokens: 0 },
  };
  assert.deepEqual(usageOf({ usage: none }), { inputTokens: 5, outputTokens: 0 });
});

test('an answer without usage, or that is no object, cost no known tokens', () => {
  for (const text of ['{}', '[]', '"usage"', '{"usage":null}', '{"usage":3}', 'null']) {
    assert.deepEqual(usageOf(JSON.parse(text)), { inputTokens: 0, outputTokens: 0 });
  }
});
