import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { after, before, test } from 'node:test';
import type { DeletedFile, RetrievedFile, SignedUrl } from '@bora/protocol/mistral-files';
import type { ApiServer } from './api-server.ts';
import { call, chatLine, startApiServer, upload, uploadLines } from './api-server.ts';

const HOUR_MS = 3_600_000;
const TEXT = '0123456789';
/** More than the 64 KiB that lie in the database, and than one chunk of a blob. */
const LARGE = Buffer.from(Array.from({ length: 600_000 }, (_, at) => at % 251));

let server: ApiServer;
let ahead = 0;
let small: string;
let large: string;

before(async () => {
  server = await startApiServer({ ahead: () => ahead });
  small = (await upload(server, [['file', new File([TEXT], 'ten.pdf')]])).body.id;
  large = (await upload(server, [['file', new File([LARGE], 'große Datei.pdf')]])).body.id;
});
after(() => server?.[Symbol.asyncDispose]());

function fetchContent(id: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> {
  return fetch(`${server.url}/v1/files/${id}/content`, { headers, method });
}

test('a download brings the bytes, their length, their type and a strong tag', async () => {
  const response = await fetchContent(large);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'application/octet-stream');
  assert.equal(response.headers.get('content-length'), String(LARGE.length));
  assert.equal(response.headers.get('etag'), `"${large}"`);
  assert.equal(
    response.headers.get('content-disposition'),
    `attachment; filename="gro_e Datei.pdf"; filename*=UTF-8''gro%C3%9Fe%20Datei.pdf`,
  );
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), LARGE);
});

for (const [range, wanted, contentRange] of [
  ['bytes=2-4', '234', 'bytes 2-4/10'],
  ['bytes=7-', '789', 'bytes 7-9/10'],
  ['bytes=-2', '89', 'bytes 8-9/10'],
  ['bytes=8-99', '89', 'bytes 8-9/10'],
] as const) {
  test(`the range ${range} is answered alone`, async () => {
    const response = await fetchContent(small, { range });
    assert.equal(response.status, 206);
    assert.equal(response.headers.get('content-range'), contentRange);
    assert.equal(response.headers.get('content-length'), String(wanted.length));
    assert.equal(await response.text(), wanted);
  });
}

test('a range over several chunks is exact', async () => {
  const response = await fetchContent(large, { range: 'bytes=262100-530000' });
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), LARGE.subarray(262_100, 530_001));
});

test('a range outside the file is refused with its size', async () => {
  const response = await fetchContent(small, { range: 'bytes=10-' });
  assert.equal(response.status, 416);
  assert.equal(response.headers.get('content-range'), 'bytes */10');
  assert.match(await response.text(), /which has 10 bytes.*range_not_satisfiable/s);
});

test('conditions: a known tag is not sent again, another tag voids a range', async () => {
  const tag = `"${small}"`;
  assert.equal((await fetchContent(small, { 'if-none-match': `"x", ${tag}` })).status, 304);
  assert.equal((await fetchContent(small, { range: 'bytes=0-0', 'if-range': tag })).status, 206);
  assert.equal((await fetchContent(small, { range: 'bytes=0-0', 'if-range': '"other"' })).status, 200);
});

test('HEAD tells length and ranges without a body', async () => {
  const whole = await fetchContent(large, {}, 'HEAD');
  assert.deepEqual([whole.status, whole.headers.get('content-length')], [200, String(LARGE.length)]);
  const part = await fetchContent(small, { range: 'bytes=0-3' }, 'HEAD');
  assert.deepEqual([part.status, part.headers.get('content-length')], [206, '4']);
});

test('a reader that goes away in the middle harms nobody', async () => {
  await new Promise<void>((resolve) => {
    const calling = request(`${server.url}/v1/files/${large}/content`, (answer) => {
      answer.once('data', () => calling.destroy());
      answer.once('close', resolve);
      answer.on('error', () => {});
    });
    calling.end();
  });
  assert.equal((await fetchContent(large)).status, 200);
});

test('a slow reader is waited for instead of read ahead of', async () => {
  let chunks = 0;
  await using own = await startApiServer({
    wrapBlobs: (blobs) => ({
      create: (name) => blobs.create(name),
      remove: (name) => blobs.remove(name),
      syncRemovals: () => blobs.syncRemovals(),
      freeBytes: () => blobs.freeBytes(),
      async *read(...args) {
        for await (const chunk of blobs.read(...args)) {
          chunks += 1;
          yield chunk;
        }
      },
    }),
  });
  const total = 256;
  const { body } = await upload(own, [['file', new File([Buffer.alloc(total * 256 * 1024)], 'a.pdf')]]);
  const calling = request(`${own.url}/v1/files/${body.id}/content`).end();
  const [answer] = (await once(calling, 'response')) as [IncomingMessage];
  // Far longer than reading it all would take. What the sockets' buffers hold is sent all the same.
  for (let round = 0; round < 100; round++) await call(own, '/readyz');
  assert.ok(chunks < total / 2, `${chunks} of ${total} chunks were read for a reader that read nothing`);
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) bytes += chunk.length;
  assert.deepEqual([bytes, chunks], [total * 256 * 1024, total]);
});

test('an empty file has an empty body', async () => {
  const { body } = await upload(server, [['file', new File([], 'none.pdf')]]);
  const response = await fetchContent(body.id);
  assert.deepEqual([response.status, response.headers.get('content-length')], [200, '0']);
  assert.equal(await response.text(), '');
});

test('a file is retrieved, deleted, and then as if it had never been', async () => {
  const id = await uploadLines(server, [chatLine('a')]);
  const found = await call<RetrievedFile>(server, `/v1/files/${id.toUpperCase()}`);
  assert.deepEqual([found.status, found.body.id, found.body.deleted], [200, id, false]);
  const deleted = await call<DeletedFile>(server, `/v1/files/${id}`, { method: 'DELETE' });
  assert.deepEqual([deleted.status, deleted.body], [200, { id, object: 'file', deleted: true }]);
  for (const [path, method] of [
    ['', 'GET'],
    ['/content', 'GET'],
    ['/url', 'GET'],
    ['', 'DELETE'],
  ]) {
    const gone = await call(server, `/v1/files/${id}${path}`, { method });
    assert.deepEqual([gone.status, gone.body.bora?.code], [404, 'file_not_found']);
  }
});

test('an id that is no UUID is refused with 422', async () => {
  const { status, body } = await call(server, '/v1/files/nonsense');
  assert.equal(status, 422);
  assert.match(JSON.stringify(body.detail), /"loc":\["path","file_id"\].*uuid_parsing/);
});

test('a page of more than a thousand files is refused', async () => {
  assert.equal((await call(server, '/v1/files?page_size=1001')).status, 422);
});

test('a signature decides alone, whether or not keys exist', async () => {
  const { body } = await call<SignedUrl>(server, `/v1/files/${small}/url?expiry=1`);
  const url = new URL(body.url);
  assert.equal(url.origin, server.url);
  const status = async (change: (copy: URL) => void): Promise<number> => {
    const copy = new URL(url);
    change(copy);
    return (await fetch(copy)).status;
  };
  assert.equal(await status(() => {}), 200);
  assert.equal(await status((copy) => copy.searchParams.set('signature', 'AAAA')), 403);
  assert.equal(await status((copy) => copy.searchParams.set('expires', '9999999999')), 403);
  assert.equal(await status((copy) => (copy.pathname = copy.pathname.replace(small, large))), 403);
  ahead += HOUR_MS;
  assert.equal(await status(() => {}), 403);
});

for (const expiry of ['0', '169', 'x', '1.5']) {
  test(`a link for ${expiry} hours is refused`, async () => {
    assert.equal((await call(server, `/v1/files/${small}/url?expiry=${expiry}`)).status, 422);
  });
}

test('a configured public URL is what links begin with', async () => {
  await using own = await startApiServer({ settings: { publicUrl: 'https://bora.example.com/base' } });
  const id = await uploadLines(own, [chatLine('a')]);
  const { body } = await call<SignedUrl>(own, `/v1/files/${id}/url`);
  assert.ok(body.url.startsWith(`https://bora.example.com/base/v1/files/${id}/content?`), body.url);
});
