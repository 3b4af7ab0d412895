import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isKey, JsonScanError, membersOf } from '../src/bytes/json-scan.ts';
import { parseRequestLine, readCheckedLine, readRequestLine } from '../src/bytes/request-line.ts';
import { LARGE_LINE_BYTES, parseLargeLine } from '../src/bytes/large-line.ts';
import { spliceBody } from '../src/bytes/splice-body.ts';
import { damaged, jsonText, membersNamed, objectOf, stringToken } from './byte-arbitraries.ts';

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString());
}

function nestedLine(depth: number, text: string): Buffer {
  return Buffer.from(`{"body":{"a":${'['.repeat(depth)}"${text}"${']'.repeat(depth)}}}`);
}

function tokenPairs(bytes: Uint8Array): [string, string][] {
  return [...membersOf(bytes)].map(({ keyStart, keyEnd, valueStart, valueEnd }) => [
    Buffer.from(bytes.subarray(keyStart, keyEnd)).toString(),
    Buffer.from(bytes.subarray(valueStart, valueEnd)).toString(),
  ]);
}

test('the scanner finds the members as they were written', () => {
  const written = membersNamed(['model', 'a']).chain((members) =>
    fc.tuple(fc.constant(members), objectOf(fc.constant(members))),
  );
  fc.assert(
    fc.property(written, ([members, text]) => {
      // Text of one value may carry space of its own at its edges only inside its brackets, so tokens compare exactly.
      const expected = members.map(([key, value]) => [
        Buffer.from(key).toString(),
        Buffer.from(value).toString(),
      ]);
      assert.deepEqual(tokenPairs(Buffer.from(text)), expected);
    }),
  );
});

test('a key is recognised however it is escaped, and no other is', () => {
  const names = ['model', 'models', 'mode', 'stream', 'stream_options', ''];
  const key = fc.constantFrom(...names).chain((name) => fc.tuple(fc.constant(name), stringToken(name)));
  fc.assert(
    fc.property(key, fc.constantFrom(...names), ([name, token], asked) => {
      const bytes = Buffer.from(`{${token}:1}`);
      const [member] = membersOf(bytes);
      assert.equal(isKey(bytes, member, asked), name === asked);
    }),
  );
});

test('the scanner ends on garbage, inside the bytes or with an error', () => {
  const garbage = fc.oneof(
    jsonText.chain((text) => damaged(Buffer.from(text))),
    jsonText.chain((text) => fc.nat(text.length).map((end) => Buffer.from(text).subarray(0, end))),
    fc.uint8Array(),
  );
  fc.assert(
    fc.property(garbage, (bytes) => {
      try {
        for (const { keyStart, keyEnd, valueStart, valueEnd } of membersOf(bytes)) {
          assert.ok(
            keyStart < keyEnd && keyEnd < valueStart && valueStart < valueEnd && valueEnd <= bytes.length,
          );
        }
      } catch (error) {
        assert.ok(error instanceof JsonScanError, String(error));
      }
    }),
  );
});

const fileOrDocument = fc.oneof(jsonText, objectOf(membersNamed(['file_id', 'type'])));
const lineText = objectOf(
  membersNamed(
    ['body', 'custom_id'],
    fc.oneof(
      { weight: 2, arbitrary: objectOf(membersNamed(['model', 'messages'])) },
      { weight: 1, arbitrary: objectOf(membersNamed(['file_id', 'document'], fileOrDocument)) },
      { weight: 1, arbitrary: jsonText },
    ),
  ),
).map((text) => Buffer.from(text));

test('a request line is read as JSON.parse reads it: the last duplicate counts', () => {
  fc.assert(
    fc.property(lineText, (line) => {
      const value = parse(line) as { body?: unknown; custom_id?: unknown };
      const { body, custom_id: id } = value;
      const isGood =
        typeof body === 'object' &&
        body !== null &&
        !Array.isArray(body) &&
        (id === undefined || id === null || typeof id === 'string');

      const read = readRequestLine(line);
      assert.equal(read.kind, isGood ? 'request' : 'bad');
      if (read.kind === 'bad') return;
      assert.deepEqual(parse(read.body), body);
      assert.equal(read.customId && parse(read.customId), id ?? null);
      const model = (body as { model?: unknown }).model;
      assert.equal(read.bodyModel, typeof model === 'string' ? model : null);
    }),
  );
});

test('a line that was found good once is read the same without a parse', () => {
  fc.assert(
    fc.property(lineText, (line) => {
      const read = readRequestLine(line);
      if (read.kind === 'bad') return;
      const { customId, body } = read;
      assert.deepEqual(readCheckedLine(line), { customId, body });
    }),
  );
  assert.equal(readCheckedLine(Buffer.from('{"body":{"a":1}')), null);
  assert.equal(readCheckedLine(Buffer.from('{"custom_id":"x"}')), null);
});

test('both readers of a line agree, and a line that is not JSON is never a request', () => {
  fc.assert(
    fc.property(lineText.chain(damaged), (line) => {
      const read = readRequestLine(line);
      const parsed = parseRequestLine(line, []);
      assert.equal(read.kind === 'bad', parsed.kind === 'bad');
      if (read.kind === 'request') assert.ok(parse(line));
    }),
  );
});

test('a line is judged the same whether its values are built or only walked over', () => {
  const names = ['model', 'messages', 'input', 'custom_id'];
  fc.assert(
    fc.property(
      fc.oneof(
        lineText,
        lineText.chain(damaged),
        jsonText.map((text) => Buffer.from(text)),
      ),
      (line) => {
        const built = parseRequestLine(line, names);
        const walked = parseLargeLine(line, names);
        if (built.kind === 'bad' && built.fault === 'json') {
          assert.ok(walked.kind === 'bad' && walked.fault === 'json');
        } else {
          assert.deepEqual(walked, built);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

test('a line tells the files that it names, however long it is', () => {
  for (const filler of ['', 'x'.repeat(LARGE_LINE_BYTES)]) {
    const line = `{"body":{"file_id":"first","file_id":"a","\\u0064ocument":{"file_id":7,"file_id":"b"},"z":"${filler}"}}`;
    const parsed = parseRequestLine(Buffer.from(line), []);
    assert.deepEqual(parsed.kind === 'parsed' && parsed.files, [
      { member: 'file_id', fileId: 'a' },
      { member: 'document.file_id', fileId: 'b' },
    ]);
    const none = `{"body":{"file_id":"a","file_id":null,"document":{"file_id":"b"},"document":["c"],"z":"${filler}"}}`;
    const without = parseRequestLine(Buffer.from(none), []);
    assert.deepEqual(without.kind === 'parsed' && without.files, []);
  }
});

test('size and depth make no difference to what a line may be', () => {
  const envelope = '"custom_id":"c","method":{"a":1},"url":7,';
  const long = `{${envelope}"body":{"model":"m","stream":true,"input":"${'é'.repeat(LARGE_LINE_BYTES)}"}}`;
  assert.deepEqual(parseRequestLine(Buffer.from(long), ['input', 'prompt']), {
    kind: 'parsed',
    customId: 'c',
    method: {},
    url: 7,
    bodyModel: 'm',
    streams: true,
    members: ['input'],
    files: [],
  });
  const read = readRequestLine(Buffer.from(long));
  assert.ok(
    read.kind === 'request' && read.body.length === Buffer.byteLength(long) - `{${envelope}"body":}`.length,
  );

  for (const text of ['', 'x'.repeat(LARGE_LINE_BYTES)]) {
    assert.equal(readRequestLine(nestedLine(998, text)).kind, 'request');
    const deep = readRequestLine(nestedLine(999, text));
    assert.ok(deep.kind === 'bad' && deep.message.includes('deeper than 1000'), deep.kind);
  }
});

test('a large bad line says what is wrong', () => {
  const filler = 'x'.repeat(LARGE_LINE_BYTES);
  const cases: [string, RegExp][] = [
    [`{"body":{"a":"${filler}"`, /not valid JSON: it ends after \d+ bytes/],
    [`["${filler}"]`, /The line is an array/],
    [`{"a":"${filler}"}`, /no "body"/],
    [`{"body":{},"body":"${filler}"}`, /"body" is a string/],
    [`{"body":{"a":"${filler}"},"custom_id":7}`, /"custom_id" is a number/],
  ];
  for (const [line, message] of cases) {
    const read = readRequestLine(Buffer.from(line));
    assert.ok(read.kind === 'bad');
    assert.match(read.message, message);
  }
  const latin1 = readRequestLine(Buffer.from(`{"body":{"a":"é${filler}"}}`, 'latin1'));
  assert.ok(latin1.kind === 'bad' && latin1.fault === 'encoding');
});

test('bad lines say what is wrong', () => {
  const cases: [string | Uint8Array, string, RegExp][] = [
    ['', 'json', /not valid JSON: Unexpected end/],
    ['{"body":{}', 'json', /not valid JSON: Expected/],
    ['{"body":{},"a":tru}', 'json', /not valid JSON/],
    ['{"body":{"a":"\u0000"}}', 'json', /control character/],
    ['\ufeff{"body":{}}', 'json', /not valid JSON/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), 'encoding', /not valid UTF-8/],
    ['[]', 'request', /The line is an array/],
    ['"x"', 'request', /The line is a string/],
    ['null', 'request', /The line is null/],
    ['{}', 'request', /no "body"/],
    ['{"body":null}', 'request', /"body" is null/],
    ['{"body":[1]}', 'request', /"body" is an array/],
    ['{"body":{},"body":"late"}', 'request', /"body" is a string/],
    ['{"custom_id":7,"body":{}}', 'request', /"custom_id" is a number/],
  ];
  for (const [line, fault, message] of cases) {
    const read = readRequestLine(Buffer.from(line));
    assert.ok(read.kind === 'bad', String(line));
    assert.equal(read.fault, fault, String(line));
    assert.match(read.message, message);
  }
});

test('bytes of custom_id and body are untouched: numbers, lone surrogates, escapes', () => {
  const line = Buffer.from(
    String.raw`{"body":{"seed":12345678901234567890,"t":"\ud800\/"} ,"custom_id":"\u0061\udc00é"}`,
  );
  const read = readRequestLine(line);
  assert.ok(read.kind === 'request');
  assert.equal(Buffer.from(read.body).toString(), String.raw`{"seed":12345678901234567890,"t":"\ud800\/"}`);
  assert.equal(Buffer.from(read.customId!).toString(), String.raw`"\u0061\udc00é"`);
});

const body = objectOf(
  membersNamed(
    ['model', 'stream', 'stream_options', 'messages'],
    fc.oneof(fc.constantFrom('true', 'false', 'null', '"m"', '"other"'), jsonText),
  ),
).map((text) => Buffer.from(text));

test('splicing changes model, stream and stream_options and not one byte of any other member', () => {
  const model = fc.option(fc.constantFrom('m', 'über "quoted"'), { nil: undefined });
  fc.assert(
    fc.property(body, model, (bytes, wanted) => {
      const before = tokenPairs(bytes).map(([key, value]) => ({
        name: JSON.parse(key) as string,
        key,
        value,
      }));
      const streams = before.some(({ name, value }) => name === 'stream' && value !== 'false');
      const expected = before
        .filter(({ name }) => !(streams && name === 'stream_options'))
        .map(({ name, key, value }) => {
          if (name === 'stream') return [key, 'false'];
          if (name === 'model' && wanted !== undefined) return [key, JSON.stringify(wanted)];
          return [key, value];
        });
      if (wanted !== undefined && !before.some(({ name }) => name === 'model')) {
        expected.unshift(['"model"', JSON.stringify(wanted)]);
      }

      const spliced = spliceBody(bytes, wanted === undefined ? {} : { model: wanted });
      parse(spliced);
      assert.deepEqual(tokenPairs(spliced), expected);
    }),
  );
});

test('a body that needs no change is the same array, and splicing twice changes nothing more', () => {
  fc.assert(
    fc.property(body, (bytes) => {
      const once = spliceBody(bytes, { model: 'm' });
      assert.equal(spliceBody(once, { model: 'm' }), once);
    }),
  );
});

test('commas and space are right wherever a member goes or comes', () => {
  const cases: [string, string | undefined, string][] = [
    ['{}', 'm', '{"model":"m"}'],
    ['{ }', 'm', '{"model":"m" }'],
    ['{ "a": 1 }', 'm', '{ "model":"m","a": 1 }'],
    ['{"stream":true}', undefined, '{"stream":false}'],
    ['{"stream_options":{},"stream":true}', undefined, '{"stream":false}'],
    ['{"stream":true, "stream_options":{}}', undefined, '{"stream":false}'],
    ['{"a":1,"stream_options":{},"stream":true,"b":2}', undefined, '{"a":1,"stream":false,"b":2}'],
    ['{"stream_options":{},"stream":true}', 'm', '{"model":"m","stream":false}'],
    ['{"stream_options":{},"stream":false}', undefined, '{"stream_options":{},"stream":false}'],
    ['{"stream_options":{}}', undefined, '{"stream_options":{}}'],
    [String.raw`{"str\u0065am":1,"mod\u0065l":"x"}`, 'm', String.raw`{"str\u0065am":false,"mod\u0065l":"m"}`],
    ['{"nested":{"stream":true,"model":"x"}}', undefined, '{"nested":{"stream":true,"model":"x"}}'],
  ];
  for (const [before, model, after] of cases) {
    const spliced = spliceBody(Buffer.from(before), model === undefined ? {} : { model });
    assert.equal(Buffer.from(spliced).toString(), after);
  }
});
