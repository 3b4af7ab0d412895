import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CreateBodyError, InlineCutter } from '../src/bytes/inline-cutter.ts';
import type { CutBody } from '../src/bytes/inline-cutter.ts';
import { chunkings, damaged, membersNamed, objectOf, singleBytes, stringToken } from './byte-arbitraries.ts';

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function cut(chunks: Iterable<Uint8Array>, maxElementBytes?: number): CutBody & { elements: string[] } {
  const cutter = new InlineCutter(maxElementBytes);
  const elements: string[] = [];
  for (const chunk of chunks) {
    const lent = new Uint8Array(chunk);
    for (const element of cutter.push(lent)) elements.push(Buffer.from(element).toString());
    lent.fill(0x58);
  }
  return { ...cutter.finish(), elements };
}

const element = fc.oneof(
  { weight: 5, arbitrary: objectOf(membersNamed(['custom_id', 'body'])) },
  { weight: 1, arbitrary: fc.constantFrom('7', '-1.5e3', 'true', 'null', '"a,]\\""', '[]', '[{"a":[1]},2]') },
);
const requestsValue = fc.oneof(
  { weight: 5, arbitrary: fc.array(element, { maxLength: 5 }).map((all) => `[${all.join(' ,\n')}]`) },
  { weight: 1, arbitrary: fc.constantFrom('[]', '[ ]', 'null') },
);
const createBody = fc
  .tuple(membersNamed(['endpoint', 'model', 'metadata']), stringToken('requests'), requestsValue, fc.nat(8))
  .chain(([members, key, requests, at]) => {
    const others = members.filter(([name]) => JSON.parse(name) !== 'requests');
    return objectOf(fc.constant([...others.slice(0, at), [key, requests] as const, ...others.slice(at)]));
  })
  .map((text) => Buffer.from(text));

test('elements and members are what JSON.parse finds, in any chunks', () => {
  fc.assert(
    fc.property(
      createBody.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes))),
      ([bytes, chunks]) => {
        const { requests, ...members } = JSON.parse(bytes.toString()) as { requests: unknown[] | null };
        for (const result of [cut(chunks), cut(singleBytes(bytes))]) {
          assert.deepEqual(result.members, members);
          assert.equal(result.requests, requests && requests.length);
          assert.deepEqual(
            result.elements.map((each) => JSON.parse(each) as unknown),
            requests ?? [],
          );
          assert.ok(result.elements.every((each) => !/[\r\n]/.test(each)));
        }
      },
    ),
  );
});

test('elements keep every byte but line breaks outside strings', () => {
  const elements = [
    String.raw`{"custom_id":"\u0061\n","body":{"n":1.0e+05,"n":12345678901234567890}}`,
    '{ "body" : {\t"é":"…" } }',
  ];
  const pretty = '{"body":{\r\n  "a": 1\n}}';
  const bytes = Buffer.from(`{"requests":[${elements.join(',')},\n${pretty}\n]}`);
  assert.deepEqual(cut([bytes]).elements, [...elements, '{"body":{    "a": 1 }}']);
});

/** Cuts and reads each element as strictly as a line is read. */
function cutStrictly(chunks: Iterable<Uint8Array>): CutBody {
  const cutter = new InlineCutter();
  for (const chunk of chunks) for (const each of cutter.push(chunk)) JSON.parse(UTF8.decode(each));
  return cutter.finish();
}

test('what JSON.parse refuses is refused, by the cutter or as a bad element', () => {
  const chunkedDamage = createBody
    .chain(damaged)
    .chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes)));
  fc.assert(
    fc.property(chunkedDamage, ([bytes, chunks]) => {
      let body: Record<string, unknown>;
      try {
        body = JSON.parse(UTF8.decode(bytes)) as Record<string, unknown>;
      } catch {
        assert.throws(() => cutStrictly(chunks));
        return;
      }
      delete body['requests'];
      try {
        assert.deepEqual(cutStrictly(chunks).members, body);
      } catch (error) {
        assert.ok(error instanceof CreateBodyError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('no requests, or null, is told apart from an empty array', () => {
  assert.equal(cut([Buffer.from('{"endpoint":"/v1/x"}')]).requests, null);
  assert.equal(cut([Buffer.from('{"requests":null}')]).requests, null);
  assert.deepEqual(cut([Buffer.from(' { } ')]), { members: {}, requests: null, elements: [] });
  assert.equal(cut([Buffer.from('{"requests":[]}')]).requests, 0);
});

test('a body that is not what it must be is refused with what is wrong', () => {
  const cases: [string, CreateBodyError['fault'], number | null, RegExp][] = [
    ['', 'json', null, /ends after 0 bytes/],
    ['[]', 'json', null, /unexpected byte at 0/],
    ['{"a":1', 'json', null, /ends after 6 bytes/],
    ['{"a":1}x', 'json', null, /unexpected byte at 7/],
    ['{"a":tru}', 'json', null, /not valid JSON/],
    ['{"a":}', 'json', null, /unexpected byte at 5/],
    ['{"requests":[{}', 'json', null, /ends after 15 bytes/],
    ['{"requests":[{},]}', 'json', null, /unexpected byte at 16/],
    ['{"requests":[,{}]}', 'json', null, /unexpected byte at 13/],
    ['{"requests":[7', 'json', null, /ends after 14 bytes/],
    ['{"requests":[7{}]}', 'json', null, /unexpected byte at 14/],
    ['{"requests":[{} {}]}', 'json', null, /unexpected byte at 16/],
    ['{"requests":{}}', 'requests', null, /must be an array or null/],
    ['{"requests":"[]"}', 'requests', null, /must be an array or null/],
    ['{"requests":[],"requests":[]}', 'requests', null, /twice/],
    [String.raw`{"requests":[],"r\u0065quests":null}`, 'requests', null, /twice/],
    [`{"a":"${'x'.repeat(1024 * 1024)}"}`, 'too-large', null, /members besides "requests"/],
    [`{"requests":[{},{"a":"${'x'.repeat(64)}"}]}`, 'too-large', 1, /larger than 64 bytes/],
    [`{"requests":[{},${'7'.repeat(65)}]}`, 'too-large', 1, /larger than 64 bytes/],
  ];
  for (const [text, fault, index, message] of cases) {
    assert.throws(
      () => cut([Buffer.from(text)], 64),
      (error: unknown) => {
        assert.ok(error instanceof CreateBodyError, text);
        assert.deepEqual([error.fault, error.index], [fault, index], text);
        assert.match(error.message, message);
        return true;
      },
    );
  }
});

test('only the last of other members counts, and a nested "requests" is none', () => {
  const body = '{"metadata":{"requests":[1]},"model":"a","model":"b"}';
  assert.deepEqual(cut([Buffer.from(body)]).members, { metadata: { requests: [1] }, model: 'b' });
});
