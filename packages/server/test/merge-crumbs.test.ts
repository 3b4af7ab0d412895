import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { MistralFile } from '@bora/protocol/mistral-files';
import { filePart, formOf, FORM_TYPE, GOOD_LINE } from '@bora/testkit/hostile/form';
import { rawCall } from '@bora/testkit/hostile/raw-call';
import { mergeCrumbs } from '../src/api/merge-crumbs.ts';
import { startApiServer } from './api-server.ts';

function inCrumbs(path: string, body: Buffer, type: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: bora\r\nconnection: close\r\ncontent-type: ${type}\r\ntransfer-encoding: chunked\r\n\r\n`;
  const crumbs = Array.from(body, (byte) =>
    Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]),
  );
  return Buffer.concat([Buffer.from(head), ...crumbs, Buffer.from('0\r\n\r\n')]);
}

test('a body that comes byte by byte is handed on in few pieces, in order, before a large one and at the end', async () => {
  const pieces: Buffer[] = [];
  const server = createServer((request, response) => {
    mergeCrumbs(request);
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => response.end('done'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const crumbs = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
  const large = Buffer.alloc(5_000, 'x');
  const call = inCrumbs('/', crumbs, 'text/plain').subarray(0, -'0\r\n\r\n'.length);
  const rest = Buffer.concat([Buffer.from('1388\r\n'), large, Buffer.from('\r\n1\r\ny\r\n0\r\n\r\n')]);
  const answer = await rawCall(`http://127.0.0.1:${port}`, call, rest);
  server.close();
  assert.equal(answer?.body, 'done');
  assert.ok(Buffer.concat(pieces).equals(Buffer.concat([crumbs, large, Buffer.from('y')])));
  assert.ok(pieces.length < 1_000, `${pieces.length} pieces`);
});

test('an upload that comes byte by byte is taken', { timeout: 30_000 }, async () => {
  await using server = await startApiServer();
  const form = formOf([filePart(GOOD_LINE.repeat(5_000))]);
  const answer = await rawCall(server.url, inCrumbs('/v1/files', form, FORM_TYPE));
  assert.equal(answer?.status, 200, answer?.body);
  assert.equal((JSON.parse(answer.body) as MistralFile).num_lines, 5_000);
});
