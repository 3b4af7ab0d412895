import fc from 'fast-check';
import type { Part } from './form.ts';
import { filePart, formOf, GOOD_LINE, textPart } from './form.ts';

/** What means something to a parser of forms, JSON, UTF-8 or HTTP, where nobody expects it. */
const SIGNIFICANT = [
  '\r\n',
  '\n',
  '\r',
  '--b',
  '--b--',
  '\r\n--b\r\n',
  '\r\n--b--',
  '"',
  '\\',
  ';',
  ':',
  ',',
  '=',
  '&',
  '%',
  '%00',
  '%2e%2e%2f',
  '\0',

  '{',
  '}',
  '[',
  ']',
  '[]',
  '{}',
  '"requests":',
  '"requests":[',
  'null',
  '1e999',
  '-',
  '\\u0000',
  '\\ud800',
  '\ufeff',
  '\u202e',
  'ß',
  '🌬',
].map((text) => Buffer.from(text));
const INVALID_UTF8 = [
  Buffer.of(0xff),
  Buffer.of(0xed, 0xa0, 0x80),
  Buffer.of(0xc0, 0x80),
  Buffer.of(0xf0, 0x9f),
];

interface Change {
  readonly kind: 'insert' | 'remove' | 'repeat' | 'replace' | 'end';
  /** From 0 to 1. */
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

const place = fc.integer({ min: 0, max: 1_000_000 }).map((millionths) => millionths / 1_000_000);
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('insert', 'remove', 'repeat', 'replace', 'end'),
  at: place,
  length: fc.integer({ min: 1, max: 60 }),
  bytes: fc.oneof(
    fc.constantFrom(...SIGNIFICANT, ...INVALID_UTF8),
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
  ),
});

function changed(bytes: Buffer, { kind, at, length, bytes: other }: Change): Buffer {
  const from = Math.floor(at * bytes.length);
  const to = from + length;
  const before = bytes.subarray(0, from);
  if (kind === 'end') return before;
  if (kind === 'remove') return Buffer.concat([before, bytes.subarray(to)]);
  if (kind === 'insert') return Buffer.concat([before, other, bytes.subarray(from)]);
  if (kind === 'replace') return Buffer.concat([before, other, bytes.subarray(to)]);
  return Buffer.concat([before, bytes.subarray(from, to), bytes.subarray(from)]);
}

/** Up to three changes of what would be well; sometimes none. */
function mutated(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  return fc
    .tuple(bytes, fc.array(change, { maxLength: 3 }))
    .map(([whole, changes]) => changes.reduce(changed, whole));
}

const content = fc.constantFrom(
  GOOD_LINE,
  GOOD_LINE.repeat(3),
  GOOD_LINE.repeat(2_000),
  `${GOOD_LINE}\r\n\n`,
  '',
  '{}',
  '--b\n',
  '\r\n-',
  '%PDF',
);
const filename = fc.constantFrom('in.jsonl', 'a.pdf', '', '../x.jsonl', 'ü.jsonl', 'x'.repeat(300));
const part: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(content, filename).map(([text, name]) => filePart(text, `filename="${name}"`)),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom('batch', 'ocr', 'audio', '', 'x')
      .map((purpose) => textPart('purpose', purpose)),
  },
  { weight: 1, arbitrary: fc.constantFrom('1', '0', 'x').map((hours) => textPart('expiry', hours)) },
  { weight: 1, arbitrary: fc.constantFrom('user', 'workspace').map((who) => textPart('visibility', who)) },
  { weight: 1, arbitrary: fc.constant({ headers: ['x: y'], content: 'z' }) },
);

/** The body of an upload, in pieces as they are sent. */
export const strangeForm: fc.Arbitrary<Buffer[]> = fc
  .tuple(
    mutated(fc.array(part, { maxLength: 4 }).map((parts) => formOf(parts))),
    fc.array(place, { maxLength: 5 }),
  )
  .map(([bytes, cuts]) => {
    const ends = [
      ...cuts.map((cut) => Math.floor(cut * bytes.length)).toSorted((a, b) => a - b),
      bytes.length,
    ];
    return ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
  });

const member = fc.constantFrom(
  '"endpoint":"/v1/chat/completions"',
  '"model":"m"',
  '"metadata":{"a":"b"}',
  '"timeout_hours":24',
  '"completion_window":"24h"',
  '"requests":null',
  '"input_files":["00000000-0000-4000-8000-000000000000"]',
  '"agent_id":null',
);
const requests = fc
  .tuple(
    fc.constantFrom(1, 2, 3_000),
    fc.constantFrom('{"custom_id":"a","body":{"messages":[]}}', '{"body":{"messages":["\\n"]}}'),
  )
  .map(([count, request]) => `"requests":[${`${request},`.repeat(count - 1)}${request}]`);

/** The body of a create call. */
export const strangeCreate: fc.Arbitrary<Buffer> = mutated(
  fc
    .tuple(fc.array(member, { maxLength: 3 }), fc.option(requests))
    .chain(([others, own]) => {
      const needed = [
        '"endpoint":"/v1/chat/completions"',
        '"model":"m"',
        ...(own === null ? [] : [own]),
        ...others,
      ];
      return fc.shuffledSubarray(needed, { minLength: Math.max(0, needed.length - 1) });
    })
    .map((members) => Buffer.from(`{${members.join(',')}}`)),
);

const path = fc.constantFrom(
  '/v1/files',
  '/v1/batch/jobs',
  '/v1/files/00000000-0000-4000-8000-000000000000/content',
  '/v1/batch/jobs/x',
  '/bora/v1/audit',
  '/bora/v1/keys',
);
const parameter = fc.tuple(
  fc.oneof(
    fc.constantFrom(
      'page',
      'page_size',
      'metadata',
      'metadata[a]',
      'after',
      'status',
      'created_after',
      'search',
      'from',
      'before',
      '__proto__',
      'signature',
      'expires',
      'workspace',
    ),
    fc.string({ maxLength: 10 }),
  ),
  fc.oneof(
    fc.constantFrom(
      '0',
      '-1',
      '1e9',
      'NaN',
      'null',
      '{"a":1}',
      '{"a":{}}',
      '[',
      'a:b',
      '2026-01-01',
      '%',
      '%ff',
      '%00',
      'x'.repeat(500),
    ),
    fc.string({ maxLength: 20, unit: 'binary' }),
  ),
);
const header = fc.constantFrom(
  'range: bytes=0-',
  'range: bytes=-,-,',
  'if-none-match: *',
  'accept: \x80',
  'x-api-key: ',
  'authorization: Bearer',
  'expect: 100-continue',
  'content-length: 0',
  'origin: null',
  'transfer-encoding: x',
);

/** A call without a body; if its end is lost, the connection waits for one. */
export const strangeCall: fc.Arbitrary<Buffer> = mutated(
  fc
    .tuple(path, fc.array(parameter, { maxLength: 4 }), fc.array(header, { maxLength: 3 }))
    .map(([to, query, headers]) => {
      const search = query
        .map(([name, value]) => `${name}=${value}`.replaceAll(/[\s\p{Cc}]/gu, '+'))
        .join('&');
      return Buffer.from(
        `GET ${to}?${search} HTTP/1.1\r\nhost: bora\r\nconnection: close\r\n${headers.map((each) => `${each}\r\n`).join('')}\r\n`,
      );
    }),
);
