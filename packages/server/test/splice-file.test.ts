import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { base64Length, base64Of } from '../src/bytes/base64.ts';
import { gapInForm } from '../src/bytes/form-body.ts';
import { gapForLink, stringAt } from '../src/bytes/splice-file.ts';
import type { LinkMember } from '../src/bytes/splice-file.ts';
import type { FileMember } from '../src/bytes/named-files.ts';
import { jsonText, membersNamed, objectOf } from './byte-arbitraries.ts';

function linked(body: string, member: FileMember, link: LinkMember): string {
  const { before, after } = gapForLink(Buffer.from(body), member, link);
  return Buffer.concat([before, Buffer.from('URL'), after]).toString();
}

test('a document becomes a link, and nothing else changes', () => {
  for (const [body, expected] of [
    [
      '{ "model":"m", "document" : {"type": "file",\t"file_id":"f"} , "pages": [0,1e400] }',
      '{ "model":"m", "document" : {"type": "document_url",\t"document_url":"URL"} , "pages": [0,1e400] }',
    ],
    ['{"document":{"file_id":"f"}}', '{"document":{"document_url":"URL"}}'],
    [
      '{"document":{"file_id":"e", "document_url":null, "file_id":"f", "name":"\\u00e9"}}',
      '{"document":{"document_url":"URL", "name":"\\u00e9"}}',
    ],
    [
      '{"document":{"file_id":"e"}, "a":{"file_id":"x"}, "\\u0064ocument":{"f\\u0069le_id":"f"}}',
      '{"a":{"file_id":"x"}, "\\u0064ocument":{"document_url":"URL"}}',
    ],
  ]) {
    assert.equal(linked(body, 'document.file_id', 'document_url'), expected);
  }
  assert.equal(
    linked('{"document":{"type":"file","file_id":"f"}}', 'document.file_id', 'image_url'),
    '{"document":{"type":"image_url","image_url":"URL"}}',
  );
});

test('a file to transcribe becomes a link, and wins over one that stands beside it', () => {
  for (const [body, expected] of [
    ['{"file_id":"f","diarize":true}', '{"file_url":"URL","diarize":true}'],
    ['{"file_url":null, "file_id":"f" }', '{"file_url":"URL" }'],
    ['{"a":1,"file_id":"f","file_url":"http://x","type":"file"}', '{"a":1,"file_url":"URL","type":"file"}'],
  ]) {
    assert.equal(linked(body, 'file_id', 'file_url'), expected);
  }
});

test('whatever else a body holds, it reads as before but for the link', () => {
  const document = objectOf(membersNamed(['file_id', 'type', 'document_url', 'image_url', 'x']));
  const body = objectOf(membersNamed(['document', 'model', 'x'], fc.oneof(document, jsonText)));
  fc.assert(
    fc.property(body, (text) => {
      const value = JSON.parse(text) as { document?: Record<string, unknown> };
      const fileId: unknown = value.document?.file_id;
      const bytes = Buffer.from(text);
      assert.equal(stringAt(bytes, 'document.file_id'), typeof fileId === 'string' ? fileId : null);
      if (typeof fileId !== 'string') return;
      const { file_id: _, document_url: __, image_url: ___, ...rest } = value.document!;
      const type = 'type' in rest ? { type: 'document_url' } : {};
      assert.deepEqual(JSON.parse(linked(text, 'document.file_id', 'document_url')), {
        ...value,
        document: { ...rest, ...type, document_url: 'URL' },
      });
    }),
    { numRuns: 500 },
  );
});

test('a form holds each member as OpenAI writes it, and the file last', async () => {
  const body =
    '{"model":"w","file_url":null,"file_id":"f","temperature":0.10,"stream":false,"language":"d\\u00e9",' +
    '"timestamp_granularities":["word","segment"],"a\\"\\r\\nb":{"c": 1},"none":null,"file":"no"}';
  const file = { name: 'a"b\r\n.wav', contentType: 'audio/wav' };
  const { before, after } = gapInForm(Buffer.from(body), file, 'bora-1');
  const whole = Buffer.concat([before, Buffer.from([0, 255, 13, 10]), after]);
  const form = await new Response(whole, {
    headers: { 'content-type': 'multipart/form-data; boundary=bora-1' },
  }).formData();
  const fields = [...form].filter(([, value]) => typeof value === 'string');
  assert.deepEqual(fields, [
    ['model', 'w'],
    ['temperature', '0.10'],
    ['stream', 'false'],
    ['language', 'dé'],
    ['timestamp_granularities[]', 'word'],
    ['timestamp_granularities[]', 'segment'],
    ['a"\r\nb', '{"c": 1}'],
  ]);
  const sent = form.get('file') as File;
  assert.deepEqual([sent.name, sent.type], ['a"b\r\n.wav', 'audio/wav']);
  assert.deepEqual([...new Uint8Array(await sent.arrayBuffer())], [0, 255, 13, 10]);
});

test('base64 is the same however the bytes come, also where their memory is used again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 9 })), async (chunks) => {
      const memory = new Uint8Array(9);
      async function* reused(): AsyncGenerator<Uint8Array> {
        for (const chunk of chunks) {
          memory.set(chunk);
          yield memory.subarray(0, chunk.length);
        }
      }
      const out: Uint8Array[] = [];
      for await (const chunk of base64Of(reused())) out.push(chunk);
      const bytes = Buffer.concat(chunks);
      const text = Buffer.concat(out).toString('latin1');
      assert.equal(text, bytes.toString('base64'));
      assert.equal(text.length, base64Length(bytes.length));
    }),
  );
});
