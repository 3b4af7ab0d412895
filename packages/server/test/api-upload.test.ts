import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import { openAiFile } from '@bora/protocol/openai-files';
import type { FileList } from '@bora/protocol/mistral-files';
import { DiskError } from '../src/storage/ports/disk.ts';
import type { ApiServer } from './api-server.ts';
import { call, chatLine, startApiServer, upload } from './api-server.ts';

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

const LINES = `${JSON.stringify(chatLine('a'))}\n${JSON.stringify(chatLine('b'))}`;
const GOOD = new File([LINES], 'in.jsonl');

async function countFiles(of: ApiServer = server): Promise<number | null> {
  return (await call<FileList>(of, '/v1/files')).body.total;
}

for (const [order, parts] of [
  ['before', [['purpose', 'batch'] as const, ['file', GOOD] as const]],
  ['behind', [['file', GOOD] as const, ['purpose', 'batch'] as const]],
] as const) {
  test(`a batch file is taken with its purpose ${order} it, and answered with every key`, async () => {
    const { status, body } = await upload(server, parts);
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(body), Object.keys(openAiFile.shape));
    openAiFile.parse(body);
    assert.equal(body.purpose, 'batch');
    assert.equal(body.sample_type, 'batch_request');
    assert.equal(body.source, 'upload');
    assert.equal(body.num_lines, 2);
    assert.equal(body.bytes, LINES.length);
    assert.equal(body.signature, createHash('md5').update(LINES).digest('hex'));
    assert.equal(body.mimetype, 'application/jsonl');
    assert.equal(body.visibility, 'workspace');
    assert.equal(body.expires_at, null);
  });
}

test('without a purpose the name decides', async () => {
  const lines = await upload(server, [['file', GOOD]]);
  assert.equal(lines.body.purpose, 'batch');
  const document = await upload(server, [['file', new File(['%PDF'], 'a.pdf')]]);
  assert.deepEqual(
    [document.body.purpose, document.body.sample_type, document.body.mimetype, document.body.num_lines],
    ['ocr', 'ocr_input', 'application/pdf', 0],
  );
});

test('lines that are no requests are fine for another purpose than batch', async () => {
  const { status, body } = await upload(server, [
    ['file', new File(['{"messages":[]}\nnot json\n'], 'train.jsonl')],
    ['purpose', 'fine-tune'],
  ]);
  assert.equal(status, 200);
  assert.deepEqual([body.sample_type, body.num_lines], ['instruct', 2]);
  const file = await server.database.getFile(server.workspaceId, body.id, null);
  assert.equal(file?.lineIndex, null);
});

test('expiry counts hours from now', async () => {
  const { body } = await upload(server, [
    ['expiry', '2'],
    ['file', GOOD],
  ]);
  const left = body.expires_at! - body.created_at;
  assert.ok(left >= 7_199 && left <= 7_201, String(left));
});

test('a name is shown without folders and control characters, and keeps its own script', async () => {
  for (const [sent, shown] of [
    ['../../etc/passwd.jsonl', 'passwd.jsonl'],
    ['C:\\data\\bora.jsonl', 'bora.jsonl'],
    ['übung 日本.jsonl', 'übung 日本.jsonl'],
  ] as const) {
    const { body } = await upload(server, [
      ['purpose', 'batch'],
      ['file', new File([LINES], sent)],
    ]);
    assert.equal(body.filename, shown);
  }
});

test('a batch file with bad lines is refused whole, with the true number and the first of them', async () => {
  const files = await countFiles();
  const lines = `${JSON.stringify(chatLine('a'))}\n\nnot json\n{"body":1}\n`;
  const { status, body } = await upload<ErrorBody>(server, [
    ['file', new File([lines], 'in.jsonl')],
    ['purpose', 'batch'],
  ]);
  assert.equal(status, 422);
  assert.equal(body.detail, 'Invalid file format.');
  assert.match(body.description!, /^Found 2 errors in this file\./);
  assert.deepEqual(
    body.errors?.map(({ line_number: line }) => line),
    [3, 4],
  );
  assert.equal(body.bora?.code, 'bad_batch_file');
  assert.equal(await countFiles(), files);
});

test('of very many bad lines the first hundred are listed, and the number is of all', async () => {
  const lines = `${JSON.stringify(chatLine('a'))}\n${'nonsense\n'.repeat(1_234)}`;
  const { body } = await upload<ErrorBody>(server, [
    ['purpose', 'batch'],
    ['file', new File([lines], 'in.jsonl')],
  ]);
  assert.match(body.description!, /^Found 1234 errors in this file\. The first 100 are listed\./);
  assert.deepEqual(
    body.errors?.map(({ line_number: line }) => line),
    Array.from({ length: 100 }, (_, at) => at + 2),
  );
});

const UTF16 = Buffer.from(`${LINES}\n${JSON.stringify(chatLine('\u00e4'))}`, 'utf16le');
for (const [encoding, bytes, lines] of [
  ['Latin-1', Buffer.from(`${LINES}\n{"body":{"x":"\u00e4"}}`, 'latin1'), [3]],
  ['UTF-16, little end first', UTF16, [1, 2, 3]],
  ['UTF-16, big end first', Buffer.from(UTF16).swap16(), [1, 2, 3]],
  ['UTF-16 with a mark', Buffer.concat([Buffer.from([0xff, 0xfe]), UTF16]), [1, 2, 3]],
  [
    'UTF-16 with a mark, big end first',
    Buffer.concat([Buffer.from([0xff, 0xfe]), UTF16]).swap16(),
    [1, 2, 3],
  ],
  ['gzip', gzipSync('x'), [1]],
] as const) {
  test(`a file in ${encoding} is told so in the words of the real service, with its lines`, async () => {
    const { status, body } = await upload<ErrorBody>(server, [
      ['purpose', 'batch'],
      ['file', new File([new Uint8Array(bytes)], 'in.jsonl')],
    ]);
    assert.equal(status, 422);
    assert.equal(body.detail, 'Failed to decode data, please encode your file using UTF-8.');
    assert.deepEqual(
      body.errors?.map(({ line_number: line }) => line),
      lines,
    );
  });
}

for (const [what, parts, status, wanted] of [
  [
    'an unknown purpose',
    [
      ['purpose', 'cooking'],
      ['file', GOOD],
    ],
    422,
    /"loc":\["body","purpose"\].*"type":"enum"/,
  ],
  ['no file', [['purpose', 'batch']], 422, /"loc":\["body","file"\].*"type":"missing"/],
  [
    'two files',
    [
      ['file', GOOD],
      ['file', GOOD],
    ],
    422,
    /Only one file/,
  ],
  ['a file by another name', [['document', GOOD]], 422, /must be called .*file.*document/],
  [
    'a long text part',
    [
      ['purpose', 'x'.repeat(2_000)],
      ['file', GOOD],
    ],
    422,
    /at most 1024 bytes/,
  ],
  [
    'a zip as batch',
    [
      ['purpose', 'batch'],
      ['file', new File(['PK'], 'a.zip')],
    ],
    422,
    /mimetype application\/zip, only/,
  ],
  [
    'an empty batch file',
    [
      ['purpose', 'batch'],
      ['file', new File([''], 'a.jsonl')],
    ],
    422,
    /has no requests/,
  ],
  [
    'an expiry of 0',
    [
      ['expiry', '0'],
      ['file', GOOD],
    ],
    422,
    /"type":"greater_than_equal"/,
  ],
  [
    'many text parts',
    [...Array.from({ length: 20 }, (_, number) => [`x${number}`, 'y'] as const), ['file', GOOD]],
    422,
    /at most 16 text parts/,
  ],
] as const) {
  test(`an upload with ${what} is refused with ${status} and leaves nothing behind`, async () => {
    const files = await countFiles();
    const answer = await upload<ErrorBody>(server, parts);
    assert.equal(answer.status, status);
    assert.match(JSON.stringify(answer.body), wanted);
    assert.equal(await countFiles(), files);
  });
}

test('a body that is no multipart form is refused', async () => {
  const wrongType = await call(server, '/v1/files', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.deepEqual([wrongType.status, wrongType.body.bora?.code], [415, 'not_multipart']);
  const noBoundary = await call(server, '/v1/files', {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data' },
    body: 'x',
  });
  assert.equal(noBoundary.status, 400);
  assert.match(JSON.stringify(noBoundary.body.detail), /names no boundary/);
  const cutShort = await call(server, '/v1/files', {
    method: 'POST',
    headers: { 'content-type': 'multipart/form-data; boundary=b' },
    body: '--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{"body":{}}',
  });
  assert.deepEqual([cutShort.status, cutShort.body.bora?.code], [400, 'bad_multipart']);
});

test('a client that goes away in the middle leaves nothing behind', async () => {
  const files = await countFiles();
  const { port } = new URL(server.url);
  const socket = connect(Number(port), '127.0.0.1');
  await once(socket, 'connect');
  const head = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n';
  socket.write(
    `POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\ncontent-length: 9000000\r\n\r\n${head}`,
  );
  await new Promise((sent) => socket.write('{"body":{}}\n'.repeat(20_000), sent));
  socket.destroy();
  await once(socket, 'close');
  // The next upload goes through the same session and thread, so it is answered only when the broken one is done with.
  assert.equal((await upload(server, [['file', GOOD]])).status, 200);
  assert.equal(await countFiles(), files! + 1);
});

test('files over the limits are refused with 413', async () => {
  await using small = await startApiServer({ settings: { maxFileBytes: 300, maxFileLines: 1 } });
  const lines = await upload<ErrorBody>(small, [['file', GOOD]]);
  assert.deepEqual([lines.status, lines.body.bora?.code], [413, 'file_too_large']);
  const bytes = await upload<ErrorBody>(small, [['file', new File(['x'.repeat(301)], 'a.pdf')]]);
  assert.equal(bytes.status, 413);
  assert.match(JSON.stringify(bytes.body.detail), /larger than 300 bytes/);
  assert.equal(await countFiles(small), 0);
});

test('a line over the limit is a bad line', async () => {
  await using small = await startApiServer({ settings: { maxLineBytes: 20 } });
  const { status, body } = await upload<ErrorBody>(small, [['file', GOOD]]);
  assert.equal(status, 422);
  assert.match(body.errors![0].message, /longer than/);
});

test('a full disk is answered with 507', async () => {
  await using full = await startApiServer({
    wrapBlobs: (blobs) => ({
      ...blobs,
      create: () => Promise.reject(new DiskError('ENOSPC', 'objects', 'write')),
      read: (...args) => blobs.read(...args),
      remove: (name) => blobs.remove(name),
      syncRemovals: () => blobs.syncRemovals(),
      freeBytes: () => blobs.freeBytes(),
    }),
  });
  const { status, body } = await upload<ErrorBody>(full, [
    ['file', new File(['x'.repeat(200_000)], 'a.pdf')],
  ]);
  assert.deepEqual([status, body.bora?.code], [507, 'disk_full']);
});

for (const [what, dies] of [
  ['of an error', 'throw new Error("out of memory")'],
  ['without a word', 'process.exit(1)'],
]) {
  test(`an index thread that dies ${what} interrupts the uploads it read, and nothing else`, async () => {
    const script = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { ${dies}; });`;
    const indexScript = new URL(`data:text/javascript,${encodeURIComponent(script)}`);
    await using here = await startApiServer({ indexScript });
    const large = new File([`${LINES}\n`.repeat(5_000)], 'large.jsonl');
    for (const _ of [1, 2]) {
      const { status, body } = await upload<ErrorBody>(here, [['file', large]]);
      assert.deepEqual([status, body.bora?.code], [503, 'upload_interrupted']);
    }
    assert.equal((await upload(here, [['file', GOOD]])).status, 200);
    assert.equal(await countFiles(here), 1);
  });
}

test('an upload whose session was declared dead is interrupted, and the next one is taken', async () => {
  let sleeps = true;
  await using here = await startApiServer({
    wrapDatabase: (database) => ({
      ...database,
      async createFile(...args) {
        // Another machine's Bora, or this one after a long sleep, buried what was silent.
        if (sleeps) await database.burySilentSessions(-1);
        return database.createFile(...args);
      },
    }),
  });
  const file = new File(['x'.repeat(200_000)], 'a.pdf');
  const { status, body } = await upload<ErrorBody>(here, [['file', file]]);
  assert.deepEqual([status, body.bora?.code], [503, 'upload_interrupted']);
  assert.equal((await here.database.collectableBlobs(-1_000, 100)).length > 0, true, 'its bytes go');
  assert.equal(await countFiles(here), 0);
  sleeps = false;
  assert.equal((await upload(here, [['file', file]])).status, 200);
});
