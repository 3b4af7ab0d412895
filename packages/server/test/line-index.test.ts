import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  OPENAI_REQUIRED_MEMBERS,
  REQUIRED_MEMBERS as ENDPOINT_MEMBERS,
} from '@bora/protocol/batch-endpoints';
import * as fc from 'fast-check';
import { SharedBytes } from '../src/files/index-memory.ts';
import { decodeCuts, LineIndexer, memberCountOf, REQUIRED_MEMBERS } from '../src/files/line-index.ts';
import type { LineIndex } from '../src/files/line-index.ts';
import { chunkings, membersNamed, objectOf, singleBytes } from './byte-arbitraries.ts';

function index(chunks: Iterable<Uint8Array>, maxLineBytes?: number): LineIndex {
  const indexer = new LineIndexer(maxLineBytes);
  for (const chunk of chunks) indexer.push(chunk);
  return indexer.finish();
}

const oneLine = (text: string): string => text.replace(/[\r\n]/g, ' ');

const goodLine = objectOf(
  membersNamed(
    ['model', 'stream', 'messages', 'input', 'file_url', 'file_id'],
    fc.constantFrom('"m"', '"n"', 'true', 'false', '[]', 'null'),
  ),
).map((body) => oneLine(`{"custom_id":null,"body":${body}}`));
const line = fc.oneof(
  { weight: 6, arbitrary: goodLine },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', ' \t', '{"body":1}', '{', '[]', '{"body":{}}\u0000', 'x'.repeat(300)),
  },
);
const file = fc
  .tuple(
    fc.boolean(),
    fc.array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 60 }),
    fc.option(line, { nil: '' }),
  )
  .map(([mark, lines, last]) => Buffer.from((mark ? '\ufeff' : '') + lines.flat().join('') + last));

function linesOf(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  return lines.map((each) => each.replace(/\r$/, ''));
}

function linesOfModels(count: number): Buffer {
  return Buffer.from(Array.from({ length: count }, (_, at) => `{"body":{"model":"m${at}"}}\n`).join(''));
}

function isBlank(text: string): boolean {
  return /^[ \t\r]*$/.test(text);
}

function bodyOf(text: string): Record<string, unknown> | null {
  try {
    const { body } = JSON.parse(text) as { body?: Record<string, unknown> | number };
    return typeof body === 'object' ? body : null;
  } catch {
    return null;
  }
}

const chunkedFile = file.chain((bytes) => fc.tuple(fc.constant(bytes), chunkings(bytes)));

test('groups tile the file: each holds whole lines, and their sums are its counts', () => {
  fc.assert(
    fc.property(chunkedFile, ([bytes, chunks]) => {
      let offset = 0;
      let numberOfLines = 0;
      for (const group of decodeCuts(index(chunks).cuts)) {
        const text = bytes.subarray(offset, offset + group.bytes).toString();
        offset += group.bytes;
        numberOfLines += group.lines;
        assert.ok(offset === bytes.length || text.endsWith('\n'), 'a group ends within a line');
        assert.equal(linesOf(text).filter((each) => !isBlank(each)).length, group.requests);
        assert.equal(text.split('\n').length - (text.endsWith('\n') ? 1 : 0), group.lines);
        assert.ok(group.requests <= 16);
      }
      assert.equal(offset, bytes.length);
      assert.equal(
        numberOfLines,
        bytes.toString().split('\n').length - (/(^|\n)$/.test(bytes.toString()) ? 1 : 0),
      );
    }),
  );
});

test('the summary is what a naive reading of the whole file counts', () => {
  fc.assert(
    fc.property(chunkedFile, ([bytes, chunks]) => {
      const numbered = linesOf(bytes.toString())
        .map((text, at) => ({ line: at + 1, text, body: bodyOf(text) }))
        .filter(({ text }) => !isBlank(text));
      const good = numbered.filter(({ body }) => body !== null);
      const without = (names: readonly string[]): number[] =>
        good
          .filter(({ body }) => names.every((name) => (body![name] ?? null) === null))
          .map((each) => each.line);
      const withoutModel = good.filter(({ body }) => typeof body!['model'] !== 'string');
      const models = Map.groupBy(
        good.flatMap(({ body }) => (typeof body!['model'] === 'string' ? [body!['model']] : [])),
        (model) => model,
      );

      const { summary } = index(chunks);
      assert.equal(summary.requests, numbered.length);
      assert.equal(summary.badLines, numbered.length - good.length);
      assert.deepEqual(
        summary.firstBadLines.map((each) => each.line),
        numbered.filter(({ body }) => body === null).map((each) => each.line),
      );
      for (const names of REQUIRED_MEMBERS) {
        assert.deepEqual(memberCountOf(summary, names), {
          count: good.length - without(names).length,
          firstWithout: without(names)[0] ?? null,
        });
      }
      assert.deepEqual(
        summary.models,
        Object.fromEntries([...models].map(([name, each]) => [name, each.length])),
      );
      assert.equal(summary.withoutModel, withoutModel.length);
      assert.equal(summary.firstWithoutModel, withoutModel[0]?.line ?? null);
      assert.equal(
        summary.streamSeen,
        good.some(({ body }) => body!['stream'] === true),
      );
    }),
  );
});

test('what any batch endpoint requires is indexed; an index from before it was says nothing', () => {
  const { summary } = index([
    Buffer.from('{"body":{"file_url":"x"}}\n{"body":{"file_url":null,"file_id":"y"}}\n'),
  ]);
  for (const names of Object.values(ENDPOINT_MEMBERS)) assert.ok(memberCountOf(summary, names), names.join());
  assert.equal(memberCountOf(summary, ['file_url', 'file_id'])!.count, 2);
  const older = { ...summary, members: { input: summary.members['input'] } };
  assert.equal(memberCountOf(older, ['file_url', 'file_id']), null);
});

test('each file that lines name is indexed once, with the first line that does', () => {
  const lines = [
    '{"file_id":"a"}',
    '{}',
    '{"document":{"file_id":"a"}}',
    '{"file_id":"a"}',
    '{"file_id":"b"}',
  ];
  const { summary, references } = index([
    Buffer.from(lines.map((body) => `{"body":${body}}`).join('\n')),
    Buffer.from(`\n{"body":{"file_id":"${'c'.repeat(1000)}"}}`),
  ]);
  assert.equal(summary.filesNamed, 4);
  assert.deepEqual(references, [
    { member: 'file_id', fileId: 'a', line: 1 },
    { member: 'document.file_id', fileId: 'a', line: 3 },
    { member: 'file_id', fileId: 'b', line: 5 },
    { member: 'file_id', fileId: 'c'.repeat(64), line: 6 },
  ]);
});

test('more files than are kept are none, and the index says so', () => {
  const lines = Array.from({ length: 100_001 }, (_, at) => `{"body":{"file_id":"${at}"}}\n`);
  const { summary, references } = index([Buffer.from(lines.join(''))]);
  assert.equal(summary.filesNamed, null);
  assert.deepEqual(references, []);
});

test('chunks make no difference, down to single bytes', () => {
  fc.assert(
    fc.property(file, (bytes) => {
      assert.deepEqual(index(singleBytes(bytes)), index([bytes]));
    }),
  );
});

test('an empty file has no groups and no requests', () => {
  const { summary, cuts, firstFault } = index([]);
  assert.deepEqual([...decodeCuts(cuts)], []);
  assert.equal(summary.requests, 0);
  assert.equal(firstFault, null);
});

test('a group ends at 16 requests or at 1 MiB, whichever comes first', () => {
  const request = '{"body":{}}\n';
  const large = `{"body":{"input":"${'x'.repeat(700 * 1024)}"}}\n`;
  const groups = [...decodeCuts(index([Buffer.from(request.repeat(33) + large.repeat(3))]).cuts)];
  assert.deepEqual(
    groups.map(({ requests }) => requests),
    [16, 16, 3, 1],
  );
});

test('what is wrong with the first bad line is told apart, for the dialect words it differently', () => {
  assert.equal(index([Buffer.from([0x22, 0xff, 0x22, 0x0a, 0x7b])]).firstFault, 'encoding');
  assert.equal(index([Buffer.from([0x7b, 0x0a, 0x22, 0xff, 0x22])]).firstFault, 'json');
  assert.equal(index([Buffer.from('{"body":{}}\n{}')]).firstFault, 'request');
  assert.equal(index([Buffer.from('{"body":{"a":"\u0000"}}')]).firstFault, 'json');
});

test('of many bad lines the first 100 are kept, and all are counted', () => {
  const { summary } = index([Buffer.from('{}\n'.repeat(250))]);
  assert.equal(summary.badLines, 250);
  assert.equal(summary.firstBadLines.length, 100);
  assert.equal(summary.firstBadLines[99].line, 100);
});

test('behind a hundred bad lines the others are read as before', () => {
  fc.assert(
    fc.property(file, (bytes) => {
      const text = bytes.toString().replace(/^\ufeff/, '');
      const alone = index([Buffer.from(text)]).summary;
      const behind = index([Buffer.from(`${'x\n'.repeat(100)}${text}`)]).summary;
      assert.equal(behind.badLines, 100 + alone.badLines);
      assert.equal(behind.requests, 100 + alone.requests);
      for (const name of ['models', 'withoutModel', 'streamSeen', 'filesNamed'] as const) {
        assert.deepEqual(behind[name], alone[name]);
      }
    }),
  );
});

test('more than 100 models are too many to name', () => {
  assert.equal(Object.keys(index([linesOfModels(100)]).summary.models!).length, 100);
  assert.equal(index([linesOfModels(101)]).summary.models, null);
});

test('a model may have any name', () => {
  const { summary } = index([Buffer.from('{"body":{"model":"__proto__"}}')]);
  assert.deepEqual(Object.entries(summary.models!), [['__proto__', 1]]);
});

test('a line over the limit is a bad line, and still a request of its group', () => {
  const bytes = Buffer.from(`{"body":{}}\n{"body":{"input":"${'x'.repeat(100)}"}}\n{"body":{}}`);
  const { summary, cuts } = index([bytes], 64);
  assert.deepEqual(
    summary.firstBadLines.map((each) => each.line),
    [2],
  );
  assert.deepEqual([...decodeCuts(cuts)], [{ requests: 3, lines: 3, bytes: bytes.length }]);
});

test('where others hold the memory for the files that lines name the index says so, and gives back what it held', () => {
  const memory = { ids: new SharedBytes(0), references: new SharedBytes(1024 * 1024) };
  const indexerOf = (files: number): LineIndexer => {
    const indexer = new LineIndexer(undefined, memory);
    for (let at = 0; at < files; at++) indexer.push(Buffer.from(`{"body":{"file_id":"f${at}"}}\n`));
    return indexer;
  };
  const large = indexerOf(4_000);
  const other = indexerOf(1_000);
  assert.equal(large.finish().lacksMemory, false);
  assert.deepEqual([other.finish().lacksMemory, other.finish().references], [true, []]);
  large.drop();
  const after = indexerOf(4_000).finish();
  assert.deepEqual([after.lacksMemory, after.references.length], [false, 4_000]);
});

test('cuts of another format are refused', () => {
  const cuts = Buffer.from(index([Buffer.from('{"body":{}}')]).cuts);
  assert.throws(() => [...decodeCuts(cuts.subarray(0, -1))], /damaged/);
  cuts[4] = 2;
  assert.throws(() => [...decodeCuts(cuts)], /newer Bora/);
});

test('the index tells what stands beside the bodies', () => {
  const good = (id: string, more: string): string => `{"custom_id":"${id}",${more},"body":{}}`;
  const lines = [
    good('a', '"method":"POST","url":"/v1/x"'),
    good('b', '"method":"GET","url":"/v1/x"'),
    '{"custom_id":null,"method":7,"url":"/v1/y","body":{}}',
    'no JSON',
  ];
  const envelopeOf = (each: readonly string[]): unknown =>
    index([Buffer.from(each.join('\n'))]).summary.envelope;
  assert.deepEqual(envelopeOf(lines), {
    customIds: 2,
    idsMayRepeat: false,
    methods: { POST: 1, GET: 1 },
    urls: { '/v1/x': 2, '/v1/y': 1 },
  });
  assert.deepEqual(envelopeOf([...lines, lines[0]]), {
    customIds: 3,
    idsMayRepeat: true,
    methods: { POST: 2, GET: 1 },
    urls: { '/v1/x': 3, '/v1/y': 1 },
  });
  const many = Array.from({ length: 17 }, (_, at) => good(`${at}`, `"method":"POST","url":"/${at}"`));
  assert.deepEqual(envelopeOf(many), {
    customIds: 17,
    idsMayRepeat: false,
    methods: { POST: 17 },
    urls: null,
  });
});

test('an index has what endpoints of either dialect require', () => {
  for (const required of Object.values(OPENAI_REQUIRED_MEMBERS)) {
    const { summary } = index([Buffer.from(`{"body":{"${required[0]}":"x"}}`)]);
    assert.equal(memberCountOf(summary, required)?.count, 1);
  }
});
