import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FileList, MistralFile } from '@bora/protocol/mistral-files';
import type { ApiServer } from './api-server.ts';
import { call, postJson, startApiServer, upload, uploadLines } from './api-server.ts';

const OCR = '/v1/ocr';
const SPEECH = '/v1/audio/transcriptions';
const UNKNOWN = '01234567-89ab-cdef-0123-456789abcdef';

let server: ApiServer;
before(async () => {
  server = await startApiServer();
});
after(() => server?.[Symbol.asyncDispose]());

async function uploadAs(purpose: string | null, name: string, bytes: string | Buffer): Promise<MistralFile> {
  const file = new File([new Uint8Array(Buffer.from(bytes))], name);
  const { status, body } = await upload(server, [
    ...(purpose === null ? [] : [['purpose', purpose] as const]),
    ['file', file],
  ]);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

function named(fileId: string): object {
  return { body: { document: { type: 'file', file_id: fileId } } };
}

test('documents and sound are taken whatever their bytes, listed, and downloaded by a link', async () => {
  const bytes = Buffer.from([0xff, 0xfb, 0x00, 0x0a, 0x7b, 0xe9, 0x0a]);
  for (const [purpose, name, mimetype, sampleType] of [
    ['ocr', 'scan.pdf', 'application/pdf', 'ocr_input'],
    ['ocr', 'photo.HEIC', 'image/heic', 'ocr_input'],
    ['ocr', 'notes', 'application/octet-stream', 'ocr_input'],
    ['ocr', 'lines.jsonl', 'application/jsonl', 'ocr_input'],
    ['audio', 'talk.mp3', 'audio/mpeg', 'audio_input'],
    ['audio', 'talk.m4a', 'audio/mp4', 'audio_input'],
    [null, 'talk.ogg', 'audio/ogg', 'audio_input'],
    [null, 'scan.tiff', 'image/tiff', 'ocr_input'],
  ] as const) {
    const file = await uploadAs(purpose, name, bytes);
    assert.deepEqual(
      [file.purpose, file.mimetype, file.sample_type, file.bytes],
      [purpose ?? (sampleType === 'audio_input' ? 'audio' : 'ocr'), mimetype, sampleType, bytes.length],
    );
    const { body: list } = await call<FileList>(server, `/v1/files?purpose=${file.purpose}&search=${name}`);
    assert.ok(list.data.some(({ id }) => id === file.id));
    const { body: link } = await call<{ url: string }>(server, `/v1/files/${file.id}/url`);
    assert.deepEqual(Buffer.from(await (await fetch(link.url)).arrayBuffer()), bytes);
  }
});

test('a job is refused for the first line that names a file which is not there, and what was inline is not kept', async () => {
  const scan = await uploadAs('ocr', 'scan.pdf', '%PDF');
  const lines = [named(scan.id), named(UNKNOWN), named('no uuid')];
  const input = await uploadLines(server, lines);
  const refused = await postJson(server, '/v1/batch/jobs', {
    endpoint: OCR,
    model: 'm',
    input_files: [input],
  });
  assert.equal(refused.status, 422);
  assert.equal(refused.body.bora?.code, 'named_file_not_found');
  assert.equal(
    refused.body.detail,
    `Line 2 of file ${input} names a file in "document.file_id" that is not there: "${UNKNOWN}". ` +
      'So it is with 2 of the files that are named. Upload it to this workspace first, or correct the id. Nothing was sent.',
  );

  const kept = (await call<FileList>(server, '/v1/files')).body.total;
  const requests = [{ body: { file_id: scan.id } }, { body: { file_url: null, file_id: UNKNOWN } }];
  const inline = await postJson(server, '/v1/batch/jobs', { endpoint: SPEECH, model: 'm', requests });
  assert.equal(inline.body.bora?.code, 'named_file_not_found');
  assert.deepEqual((inline.body.detail as { loc: unknown }[])[0].loc, [
    'body',
    'requests',
    1,
    'body',
    'file_id',
  ]);
  assert.equal((await call<FileList>(server, '/v1/files')).body.total, kept);

  const good = await uploadLines(server, [named(scan.id)]);
  const job = { endpoint: OCR, model: 'm', input_files: [good] };
  assert.equal((await postJson(server, '/v1/batch/jobs', job)).status, 200);
  await call(server, `/v1/files/${scan.id}`, { method: 'DELETE' });
  assert.equal((await postJson(server, '/v1/batch/jobs', job)).status, 422, 'it is deleted now');
});
