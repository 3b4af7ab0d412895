import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import type { FileList, MistralFile } from '@bora/protocol/mistral-files';
import type { Part } from '@bora/testkit/hostile/form';
import { filePart, formOf, FORM_TYPE, GOOD_LINE, textPart } from '@bora/testkit/hostile/form';
import { bytesOfCall, rawCall } from '@bora/testkit/hostile/raw-call';
import { tracesIn } from '@bora/testkit/hostile/traces';
import type { ApiServer } from './api-server.ts';
import { call, startApiServer } from './api-server.ts';

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

/** Large enough that it lies in a blob of its own. */
const LARGE = GOOD_LINE.repeat(5_000);

async function traces(): Promise<object> {
  const { total } = (await call<FileList>(server, '/v1/files?page_size=1')).body;
  return { total, ...tracesIn(server.dataFolder) };
}

interface Upload {
  readonly status: number;
  readonly body: string;
}

/** Uploads these very chunks. */
async function uploadChunks(chunks: readonly Uint8Array[], contentType = FORM_TYPE): Promise<Upload> {
  const { statusCode, body } = await server.app.inject({
    method: 'POST',
    url: '/v1/files',
    headers: { 'content-type': contentType },
    payload: Readable.from(chunks),
  });
  return { status: statusCode, body };
}

/** Wherever a small body is cut in two, and byte by byte. */
function cutsOf(body: Buffer): Buffer[][] {
  const pairs = Array.from(body, (_, at) => [body.subarray(0, at), body.subarray(at)]);
  return [...pairs, Array.from(body, (_, at) => body.subarray(at, at + 1))];
}

for (const [what, parts] of [
  ['the purpose first', [textPart('purpose', 'batch'), filePart()]],
  ['the file first', [filePart(), textPart('purpose', 'batch')]],
  ['a file that holds what looks like a boundary', [filePart(`${GOOD_LINE.trim()}\r\n\r\n${GOOD_LINE}`)]],
] as const) {
  test(`a form with ${what} is read alike wherever its bytes are cut`, async () => {
    const body = formOf(parts);
    const whole = JSON.parse((await uploadChunks([body])).body) as MistralFile;
    for (const chunks of cutsOf(body)) {
      const answer = await uploadChunks(chunks.filter((chunk) => chunk.length > 0));
      assert.equal(answer.status, 200, chunks[0].toString());
      const { signature, purpose, filename } = JSON.parse(answer.body) as MistralFile;
      assert.deepEqual([signature, purpose, filename], [whole.signature, whole.purpose, whole.filename]);
    }
  });
}

test('text parts without a name are skipped', async () => {
  const nameless: Part = { headers: ['content-disposition: form-data;] name="purpose"'], content: 'ocr' };
  const { status, body } = await uploadChunks([formOf([nameless, filePart(), nameless])]);
  assert.equal(status, 200, body);
  assert.equal((JSON.parse(body) as MistralFile).purpose, 'batch');
});

test('a form that ends early is refused wherever it ends, and leaves nothing behind', async () => {
  const body = formOf([textPart('purpose', 'batch'), filePart()]);
  const had = await traces();
  for (let end = 0; end < body.length - '--\r\n'.length; end++) {
    const { status, body: text } = await uploadChunks([body.subarray(0, end)]);
    const { bora } = JSON.parse(text) as ErrorBody;
    assert.deepEqual([status, bora?.code], [400, 'bad_multipart'], body.subarray(0, end).toString());
  }
  assert.deepEqual(await traces(), had);
});

const nameless: Part = { headers: ['x: y'], content: 'x' };

/** What is wrong, the parts or the bytes of the body, and how it is answered; the content type where that is the point. */
const REFUSED: readonly (readonly [string, readonly Part[] | Buffer, number, RegExp, string?])[] = [
  ['nothing', Buffer.alloc(0), 400, /bad_multipart/],
  ['no boundary in the body', Buffer.from('hello'), 400, /bad_multipart/],
  ['no part', [], 422, /"file".*Field required/],
  [
    'line feeds alone',
    Buffer.from(formOf([filePart()]).toString().replaceAll('\r\n', '\n')),
    400,
    /bad_multi/,
  ],
  ['a boundary that is never closed', formOf([filePart(LARGE)], ''), 400, /bad_multipart/],
  ['another boundary', formOf([filePart(LARGE)]), 400, /bad_multipart/, 'multipart/form-data; boundary=c'],
  ['no boundary', formOf([filePart()]), 400, /names no boundary/, 'multipart/form-data'],
  ['an empty boundary', formOf([filePart()]), 400, /bad_multipart/, 'multipart/form-data; boundary=""'],
  [
    'a boundary inside another parameter',
    formOf([filePart()]),
    400,
    /none that can be read/,
    'multipart/form-data; x="; boundary=b"',
  ],
  [
    'a boundary of 300 letters',
    formOf([filePart()]),
    400,
    /none that can be read/,
    `multipart/form-data; boundary=${'b'.repeat(300)}`,
  ],
  ['another multipart', formOf([filePart()]), 415, /not_multipart/, 'multipart/form-dataset; boundary=b'],
  ['urls', Buffer.from('purpose=batch'), 415, /not_multipart/, 'application/x-www-form-urlencoded'],
  [
    'a file without a name',
    [{ ...filePart(), headers: ['content-disposition: form-data; filename="a"'] }],
    422,
    /must be called/,
  ],
  [
    'a file called FILE',
    [{ ...filePart(), headers: ['content-disposition: form-data; name="FILE"; filename="a"'] }],
    422,
    /must be called/,
  ],
  [
    'a part that is an attachment',
    [{ ...filePart(), headers: ['content-disposition: attachment; name="file"'] }],
    422,
    /Field required/,
  ],
  ['a part without headers', [{ headers: [], content: GOOD_LINE }], 422, /Field required/],
  ['two files', [filePart(LARGE), filePart(LARGE)], 422, /Only one file/],
  [
    'two purposes',
    [textPart('purpose', 'batch'), textPart('purpose', 'ocr'), filePart(LARGE)],
    422,
    /"purpose".*more than once/,
  ],
  [
    'the second purpose behind the file',
    [textPart('purpose', 'ocr'), filePart(LARGE), textPart('purpose', 'ocr')],
    422,
    /more than once/,
  ],
  [
    'thousands of text parts',
    [filePart(LARGE), ...Array.from({ length: 5_000 }, (_, at) => textPart(`x${at}`, 'y'))],
    422,
    /at most 16 text parts/,
  ],
  [
    'thousands of parts without a name',
    [filePart(LARGE), ...Array.from({ length: 5_000 }, () => nameless)],
    422,
    /at most 64 parts/,
  ],
  ['a huge value', [filePart(LARGE), textPart('purpose', 'x'.repeat(5_000_000))], 422, /at most 1024 bytes/],
  [
    'a purpose in UTF-16',
    [textPart('purpose', Buffer.from('batch', 'utf16le')), filePart(LARGE)],
    422,
    /"purpose"/,
  ],
  [
    'lines in UTF-16',
    [textPart('purpose', 'batch'), filePart(Buffer.from(GOOD_LINE, 'utf16le'))],
    422,
    /bad_batch_file/,
  ],
  [
    'lines in base64',
    [
      textPart('purpose', 'batch'),
      {
        ...filePart(Buffer.from(LARGE).toString('base64')),
        headers: [...filePart().headers, 'content-transfer-encoding: base64'],
      },
    ],
    422,
    /not valid JSON/,
  ],
  [
    'a form in the file',
    [
      textPart('purpose', 'batch'),
      filePart(
        formOf([filePart(LARGE)])
          .toString()
          .replaceAll('--b', '--c'),
      ),
    ],
    422,
    /bad_batch_file/,
  ],
  [
    'line breaks in the name of the file',
    [filePart(LARGE, "filename*=utf-8''a%0d%0aset-cookie:%20x.jsonl")],
    422,
    /Field required/,
  ],
  [
    'an expiry in the year 300,000',
    [textPart('expiry', '9007199254740991'), filePart(LARGE)],
    422,
    /less_than_equal/,
  ],
  ['an expiry of half an hour', [textPart('expiry', '0.5'), filePart(LARGE)], 422, /"expiry"/],
];

for (const [what, body, status, wanted, contentType] of REFUSED) {
  test(`an upload with ${what} is refused with ${status} and leaves nothing behind`, async () => {
    const had = await traces();
    const bytes = Buffer.isBuffer(body) ? body : formOf(body);
    const answer = await rawCall(server.url, bytesOfCall('/v1/files', bytes, contentType ?? FORM_TYPE));
    assert.equal(answer?.status, status, answer?.body);
    assert.match(answer.body, wanted);
    assert.ok(answer.body.length < 5_000, 'the answer is short');
    assert.deepEqual(await traces(), had);
  });
}

/** What is odd and may be; the name under which the file is kept, and one that a browser would save it under. */
const TAKEN: readonly (readonly [string, readonly Part[] | Buffer, string, RegExp?])[] = [
  ['a preamble', Buffer.concat([Buffer.from('hello\r\n'), formOf([filePart()])]), 'in.jsonl'],
  ['an epilogue', formOf([filePart()], `--b--\r\n${'x'.repeat(100_000)}`), 'in.jsonl'],
  ['parts behind the end', formOf([filePart()], `--b--\r\n${formOf([filePart()]).toString()}`), 'in.jsonl'],
  ['a field called __proto__', [textPart('__proto__', 'x'), filePart()], 'in.jsonl'],
  ['a field with a huge name', [textPart('x'.repeat(200_000), 'x'), filePart()], 'in.jsonl'],
  [
    'a huge header',
    [{ ...filePart(), headers: [...filePart().headers, `x: ${'x'.repeat(200_000)}`] }],
    'in.jsonl',
  ],
  [
    'thousands of headers',
    [{ ...filePart(), headers: [...filePart().headers, ...Array.from({ length: 3_000 }, () => 'x: y')] }],
    'in.jsonl',
  ],
  ['a traversing name', [filePart(GOOD_LINE, 'filename="../../../etc/x.jsonl"')], 'x.jsonl'],
  ['a name that is a drive', [filePart(GOOD_LINE, 'filename="C:\\\\windows\\\\x.jsonl"')], 'x.jsonl'],
  ['the name of the folder above', [filePart(GOOD_LINE, 'filename=".."')], 'file'],
  ['an empty name', [filePart(GOOD_LINE, 'filename=""')], 'file'],
  ['NUL in its name', [filePart(GOOD_LINE, 'filename="a\0b.jsonl"')], 'ab.jsonl'],
  [
    'a name that turns the direction',
    [filePart(GOOD_LINE, 'filename="a\u202elnosj.\u2066b\u200f.jsonl"')],
    'alnosj.b.jsonl',
  ],
  ['a name of two lines in Unicode', [filePart(GOOD_LINE, 'filename="a\u2028b\u0085.jsonl"')], 'ab.jsonl'],
  [
    'a name from the right to the left',
    [filePart(GOOD_LINE, 'filename="קובץ.jsonl"')],
    'קובץ.jsonl',
    /filename="____\.jsonl"; filename\*=UTF-8''%D7%A7/,
  ],
  [
    'half a character in its name',
    [filePart(GOOD_LINE, "filename*=utf-8''%ed%a0%80.jsonl")],
    '\ufffd\ufffd\ufffd.jsonl',
  ],
  [
    'a quote in its name',
    [filePart(GOOD_LINE, 'filename="a\\"; filename=\\"b.jsonl"')],
    'a"; filename="b.jsonl',
    /filename="a_; filename=_b\.jsonl"; /,
  ],
  ['a name of 70,000 letters', [filePart(GOOD_LINE, `filename="${'n'.repeat(70_000)}"`)], 'n'.repeat(255)],
];

for (const [what, body, filename, disposition] of TAKEN) {
  test(`an upload with ${what} is taken, and downloads under a name that does no harm`, async () => {
    const bytes = Buffer.isBuffer(body) ? body : formOf(body);
    const answer = await rawCall(server.url, bytesOfCall('/v1/files', bytes, FORM_TYPE));
    assert.equal(answer?.status, 200, answer?.body);
    const file = JSON.parse(answer.body) as MistralFile;
    assert.equal(file.filename, filename);
    const download = await fetch(`${server.url}/v1/files/${file.id}/content`);
    assert.equal(await download.text(), GOOD_LINE);
    const shown = download.headers.get('content-disposition') ?? '';
    assert.match(shown, /^attachment; filename="[ !#-[\]-~]*"; filename\*=UTF-8''[\w.~!#$&+^`|%-]*$/);
    if (disposition !== undefined) assert.match(shown, disposition);
    assert.equal(tracesIn(server.dataFolder).handles, 0);
  });
}
