import assert from 'node:assert/strict';
import { test } from 'node:test';
import { request } from 'node:http';
import { createApiKey } from '../src/access/create-key.ts';
import type { ApiSettings } from '../src/api/dependencies.ts';
import { call, startApiServer } from './api-server.ts';
import type { ApiServer } from './api-server.ts';

const APP = 'https://app.example';
const OTHER = 'https://other.example';

/** Status, code and allowed origin of a call from a page. */
async function from(server: ApiServer, origin: string, init: RequestInit = {}): Promise<unknown[]> {
  const sent = new Headers(init.headers);
  sent.set('origin', origin);
  const { status, body, headers } = await call(server, '/v1/files', { ...init, headers: sent });
  return [status, body.bora?.code, headers.get('access-control-allow-origin')];
}

function serverOf(corsOrigins: ApiSettings['corsOrigins']): Promise<ApiServer> {
  return startApiServer({ settings: { corsOrigins } });
}

test('without keys and without a word no page of another origin may call, by whatever kind of call', async () => {
  await using server = await serverOf(null);
  const refused = [403, 'origin_not_allowed', null];
  for (const origin of [APP, 'null', 'http://127.0.0.1:1', 'tauri://localhost']) {
    for (const method of ['GET', 'POST', 'DELETE', 'OPTIONS'])
      assert.deepEqual(await from(server, origin, { method }), refused, `${method} from ${origin}`);
  }
  assert.deepEqual(await from(server, server.url), [200, undefined, null], 'its own page may');
  assert.equal((await call(server, '/v1/files')).status, 200, 'programs may');
});

test('a refused page has started nothing', async () => {
  await using server = await serverOf(null);
  const form = new FormData();
  form.append('file', new File(['{"body":{}}'], 'a.jsonl'));
  assert.deepEqual(await from(server, APP, { method: 'POST', body: form }), [
    403,
    'origin_not_allowed',
    null,
  ]);
  const { body } = await call<{ total: number }>(server, '/v1/files');
  assert.equal(body.total, 0);
});

test('once keys exist every page may call, with a key', async () => {
  await using server = await serverOf(null);
  const { key } = await createApiKey(server.database, { workspace: 'default', name: 'k' });
  assert.deepEqual(await from(server, APP), [401, 'invalid_api_key', '*']);
  const headers = { authorization: `Bearer ${key}` };
  assert.deepEqual(await from(server, APP, { headers }), [200, undefined, '*']);
});

test('where origins are named, pages of these may call, with and without keys', async () => {
  await using server = await serverOf([APP]);
  assert.deepEqual(await from(server, APP), [200, undefined, APP]);
  assert.deepEqual(await from(server, OTHER), [403, 'origin_not_allowed', null]);
  await createApiKey(server.database, { workspace: 'default', name: 'k' });
  assert.deepEqual(await from(server, APP), [401, 'invalid_api_key', APP]);
  assert.deepEqual(await from(server, OTHER), [403, 'origin_not_allowed', null]);
});

test('all and none are what they say', async () => {
  await using all = await serverOf('all');
  assert.deepEqual(await from(all, OTHER), [200, undefined, '*']);
  await using none = await serverOf([]);
  await createApiKey(none.database, { workspace: 'default', name: 'k' });
  assert.deepEqual(await from(none, OTHER), [403, 'origin_not_allowed', null]);
});

test('a page under the public URL is its own, whatever host the proxy asks for', async () => {
  await using server = await startApiServer({ settings: { publicUrl: 'https://bora.example/base' } });
  assert.deepEqual(await from(server, 'https://bora.example'), [200, undefined, null]);
});

test('a preflight allows what any SDK sends, and the way into a private network', async () => {
  await using server = await serverOf([APP]);
  const asked = 'authorization, content-type, x-mistral-user-agent, x-api-key, range, if-range';
  const preflight = await fetch(`${server.url}/v1/batch/jobs`, {
    method: 'OPTIONS',
    headers: {
      origin: APP,
      'access-control-request-method': 'POST',
      'access-control-request-headers': asked,
      'access-control-request-private-network': 'true',
    },
  });
  assert.equal(preflight.status, 204);
  const header = (name: string): string | null => preflight.headers.get(`access-control-${name}`);
  assert.equal(header('allow-origin'), APP);
  assert.equal(header('allow-headers'), asked);
  assert.match(header('allow-methods') ?? '', /GET, HEAD, POST, PATCH, DELETE/);
  assert.equal(header('allow-private-network'), 'true');
  assert.ok(Number(header('max-age')) >= 600);
});

test('a page may read what it needs of an answer, errors included, and no cache mixes up origins', async () => {
  await using server = await serverOf('all');
  for (const path of ['/v1/files', '/v1/nothing', '/healthz']) {
    const { headers } = await call(server, path, { headers: { origin: APP } });
    const exposed = (headers.get('access-control-expose-headers') ?? '').split(', ');
    for (const name of [
      'x-request-id',
      'retry-after',
      'content-length',
      'content-range',
      'content-disposition',
      'etag',
    ])
      assert.ok(exposed.includes(name), `${name} on ${path}`);
    assert.equal(headers.get('vary'), 'Origin');
  }
});

/** Status of a call under a name; fetch would put its own in the header. */
function statusUnder(server: ApiServer, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`${server.url}/v1/files`, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on('error', reject)
      .end();
  });
}

test('without keys nobody calls under a name that a page may have pointed at this machine', async () => {
  await using server = await startApiServer({ settings: { publicUrl: 'https://bora.corp.example/base' } });
  for (const host of [
    'evil.example:2672',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'EVIL.example',
  ])
    assert.equal(await statusUnder(server, host), 403, host);
  const known = [
    'localhost:2672',
    '127.0.0.1',
    '[::1]:2672',
    '[::ffff:127.0.0.1]',
    '10.1.2.3',
    'bora',
    'my.localhost',
    'bora.corp.example',
  ];
  for (const host of known) assert.equal(await statusUnder(server, host), 200, host);
  await createApiKey(server.database, { workspace: 'default', name: 'k' });
  assert.equal(await statusUnder(server, 'evil.example'), 401, 'with keys the name is of no account');
});
