import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { FileList, SignedUrl } from '@bora/protocol/mistral-files';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { createApiKey } from '../src/access/create-key.ts';
import { ERROR_CODES } from '../src/api/error-codes.ts';
import { call, chatLine, postJson, startApiServer, upload, uploadLines } from './api-server.ts';
import type { ErrorBody } from '@bora/protocol/mistral-errors';

test('each answer carries ids to find it by', async () => {
  await using server = await startApiServer();
  for (const path of ['/v1/files', '/v1/nothing', '/healthz']) {
    const { headers } = await call(server, path);
    assert.match(headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
    assert.equal(headers.get('mistral-correlation-id'), headers.get('x-request-id'));
  }
});

test('an unknown path says what there is, under the id of the call', async () => {
  await using server = await startApiServer();
  const { status, body, headers } = await call(server, '/v1/threads?x=1');
  assert.equal(status, 404);
  assert.equal(body.detail, 'Not Found');
  assert.match(body.message!, /There is no GET \/v1\/threads here\. Bora serves/);
  assert.deepEqual(body.bora, { code: 'unknown_path', request_id: headers.get('x-request-id') });
});

test('an address that ends in /v1, or in a slash, works all the same for every call', async () => {
  await using server = await startApiServer();
  const file = await uploadLines(server, [chatLine('a')]);
  const { body: job } = await postJson<BatchJob>(server, '/v1/batch/jobs', {
    endpoint: '/v1/chat/completions',
    model: 'm',
    input_files: [file],
  });
  for (const prefix of ['/v1/v1', '//v1', '/v1/', '/v1/v1/']) {
    for (const [method, path, status] of [
      ['GET', '/files?page=0', 200],
      ['GET', `/files/${file}`, 200],
      ['GET', `/files/${file}/url?expiry=24`, 200],
      ['HEAD', `/files/${file}/content`, 200],
      ['DELETE', '/files/x', 422],
      ['POST', '/files', 415],
      ['GET', '/batch/jobs?page=0', 200],
      ['GET', `/batch/jobs/${job.id}?inline=true`, 200],
      ['POST', `/batch/jobs/${job.id}/cancel`, 200],
      ['DELETE', '/batch/jobs/x', 422],
      ['POST', '/batch/jobs', 422],
    ] as const) {
      assert.equal((await call(server, `${prefix}${path}`, { method })).status, status, prefix + path);
    }
  }
});

test('a path without /v1 is told what it lacks', async () => {
  await using server = await startApiServer();
  for (const path of ['/files', '/files/x/content', '/batch/jobs?limit=20', '//batch/jobs']) {
    const { status, body } = await call(server, path);
    assert.deepEqual([status, body.detail, body.bora?.code], [404, 'Not Found', 'unknown_path']);
    assert.match(body.message!, /The path lacks \/v1: this client wants a base URL that ends in \/v1\./);
  }
  assert.doesNotMatch((await call(server, '/filesystem')).body.message!, /lacks/);
});

test('without a key all calls are answered alike, whatever route, id or body they have', async () => {
  let ahead = 0;
  await using server = await startApiServer({ ahead: () => ahead });
  const file = await uploadLines(server, [chatLine('a')]);
  await createApiKey(server.database, { workspace: 'w', name: 'test' });
  ahead = 1_000;
  const json = { 'content-type': 'application/json' };
  for (const [method, path, headers, body] of [
    ['GET', '/v1/nothing'],
    ['PUT', '/v1/files'],
    ['GET', '/files'],
    ['GET', '/v1/v1/files'],
    ['GET', '/v1/files?page=x'],
    ['GET', `/v1/files/${file}`],
    ['GET', `/v1/files/${file}/url?expiry=0`],
    ['GET', '/v1/files/nonsense'],
    ['DELETE', '/v1/files/nonsense'],
    ['GET', '/v1/batch/jobs?status=NONE'],
    ['GET', '/v1/batch/jobs/nonsense'],
    ['POST', '/v1/batch/jobs/nonsense/cancel'],
    ['DELETE', `/v1/batch/jobs/${file}`],
    ['POST', '/v1/batch/jobs', json, '{"endpoint":'],
    ['POST', '/v1/batch/jobs', json, '{"endpoint":"/v1/nothing","input_files":["x"]}'],
    ['POST', '/v1/files', json, '{}'],
    ['POST', '/v1/files', { 'content-type': 'multipart/form-data; boundary=b' }, '--b--\r\n'],
    ['GET', '/bora/v1/keys'],
    ['GET', '/v1/files', { authorization: 'Bearer' }],
    ['GET', '/v1/files', { authorization: 'Basic YTpi' }],
    ['GET', '/v1/files', { authorization: 'Bearer wrong' }],
    ['GET', '/v1/files', { 'x-api-key': 'wrong' }],
  ] as const) {
    const answer = await call(server, path, { method, headers: headers ?? {}, ...(body ? { body } : {}) });
    assert.equal(answer.status, 401, `${method} ${path}`);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/json\b/);
    const { bora, error, ...rest } = answer.body;
    assert.deepEqual([rest, bora?.code], [{ detail: 'Invalid API Key' }, 'invalid_api_key'], path);
    assert.equal(error?.code, path.includes('/batch/') ? undefined : 'invalid_api_key');
  }
});

test('once a key exists, none without it is served, and a workspace sees only its own', async () => {
  let ahead = 0;
  await using server = await startApiServer({ ahead: () => ahead });
  const mine = await createApiKey(server.database, { workspace: 'mine', name: 'm' });
  const theirs = await createApiKey(server.database, { workspace: 'theirs', name: 't' });
  ahead = 1_000;

  const refused = await upload<ErrorBody>(server, [['file', new File(['{}'], 'a.jsonl')]]);
  assert.equal(refused.status, 401);

  const as = (key: string): RequestInit => ({ headers: { authorization: `Bearer ${key}` } });
  const form = new FormData();
  form.append('file', new File([JSON.stringify(chatLine('a'))], 'a.jsonl'));
  const made = await call<{ id: string }>(server, '/v1/files', {
    method: 'POST',
    body: form,
    ...as(mine.key),
  });
  assert.equal(made.status, 200);
  assert.equal((await call<FileList>(server, '/v1/files', as(mine.key))).body.total, 1);
  assert.equal((await call<FileList>(server, '/v1/files', as(theirs.key))).body.total, 0);
  assert.equal((await call(server, `/v1/files/${made.body.id}`, as(theirs.key))).status, 404);

  const link = await call<SignedUrl>(server, `/v1/files/${made.body.id}/url`, as(mine.key));
  assert.equal(await (await fetch(link.body.url)).text(), JSON.stringify(chatLine('a')));
  for (const path of ['/healthz', '/readyz', '/metrics']) {
    assert.equal((await fetch(`${server.url}${path}`)).status, 200, path);
  }
});

test('health, readiness and metrics tell how it stands', async () => {
  await using server = await startApiServer();
  await upload(server, [['file', new File(['12345'], 'a.pdf')]]);
  assert.deepEqual((await call(server, '/healthz')).body, { status: 'ok' });
  assert.deepEqual((await call(server, '/readyz')).body, {
    status: 'ready',
    checks: { database: { ok: true }, disk: { ok: true } },
  });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /^bora_uploaded_bytes_total 5$/m);
  assert.match(
    metrics,
    /^bora_http_request_seconds_count\{route="\/v1\/files",method="POST",status="200"\} 1$/m,
  );
  assert.match(metrics, /^bora_free_bytes \d+/m);
});

test('too little room, or a database that does not commit, is not ready', async () => {
  await using full = await startApiServer({ settings: { minFreeBytes: Number.MAX_SAFE_INTEGER } });
  const noRoom = await fetch(`${full.url}/readyz`);
  assert.equal(noRoom.status, 503);
  assert.match(await noRoom.text(), /bytes are free; at least/);

  await using broken = await startApiServer({
    wrapDatabase: (database) => ({ ...database, ping: () => Promise.reject(new Error('no')) }),
  });
  const noCommit = await fetch(`${broken.url}/readyz`);
  assert.equal(noCommit.status, 503);
  assert.match(await noCommit.text(), /does not commit/);
});

test('a failure inside is a 500 that gives nothing of it away', async () => {
  await using server = await startApiServer({
    wrapDatabase: (database) => ({ ...database, listFiles: () => Promise.reject(new Error('secret path')) }),
  });
  const { status, body } = await call(server, '/v1/files');
  assert.equal(status, 500);
  assert.ok(!JSON.stringify(body).includes('secret'));
});

test('the page of errors lists exactly the codes there are', async () => {
  const page = await readFile(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
  const section = page.split('\n## ').find((part) => part.startsWith('Answers of the API'));
  assert.ok(section !== undefined);
  const listed = [...section.matchAll(/^\| `([a-z_]+)` +\| (\d+)/gm)].map(([, code, status]) => [
    code,
    Number(status),
  ]);
  assert.deepEqual(Object.fromEntries(listed), ERROR_CODES);
  assert.equal(listed.length, Object.keys(ERROR_CODES).length);
});
