import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import type {
  AuditPage,
  CreatedApiKey,
  ApiKeyList,
  Workspace,
  WorkspaceDetails,
} from '@bora/protocol/bora-access';
import * as wire from '@bora/protocol/bora-access';
import { apiKeyList, auditPage, workspaceDetails, workspaceList } from '@bora/protocol/bora-access';
import type { ErrorBody } from '@bora/protocol/mistral-errors';
import type { FileList, MistralFile, SignedUrl } from '@bora/protocol/mistral-files';
import type { BatchJob, BatchJobList } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { createApiKey } from '../src/access/create-key.ts';
import { covers } from '../src/access/authenticate.ts';
import type { KeyScope } from '../src/storage/ports/access-records.ts';
import { KEY_SCOPES } from '../src/storage/ports/access-records.ts';
import { AUDIT_ACTIONS } from '../src/storage/ports/audit-records.ts';
import type { Answer, ApiServer } from './api-server.ts';
import { call, chatLine, startApiServer } from './api-server.ts';

const CHAT = '/v1/chat/completions';
const NOWHERE = '00000000-0000-4000-8000-000000000000';
const JOB = { endpoint: CHAT, model: 'm', requests: [chatLine('a')] };

type Ask = <Body = ErrorBody>(method: string, path: string, body?: object) => Promise<Answer<Body>>;

/** Calls as whoever holds the key. */
function as(server: ApiServer, key: string): Ask {
  return (method, path, body) => {
    const isForm = body instanceof FormData;
    const headers = {
      authorization: `Bearer ${key}`,
      ...(isForm ? {} : { 'content-type': 'application/json' }),
    };
    const sent = body === undefined || isForm ? body : JSON.stringify(body);
    return call(server, path, { method, headers, ...(sent === undefined ? {} : { body: sent }) });
  };
}

async function asNew(
  server: ApiServer,
  key: { scope?: KeyScope; user?: string; workspace?: string } = {},
): Promise<Ask> {
  const made = await createApiKey(server.database, { workspace: 'team', name: 'test', ...key });
  return as(server, made.key);
}

function batchFile(lines = 1, fields: Readonly<Record<string, string>> = {}): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', new File([`${JSON.stringify(chatLine('a'))}\n`.repeat(lines)], 'in.jsonl'));
  return form;
}

/** Starts a server that tells each of its routes before it is there. */
async function startTelling(onRoute: (route: RouteOptions) => void): Promise<ApiServer> {
  const listen = (message: unknown): void => {
    (message as { fastify: FastifyInstance }).fastify.addHook('onRoute', onRoute);
  };
  subscribe('fastify.initialization', listen);
  try {
    return await startApiServer();
  } finally {
    unsubscribe('fastify.initialization', listen);
  }
}

async function startWithRoutes() {
  const routes: { method: string; url: string; access: string | undefined }[] = [];
  const server = await startTelling(({ method, url, config }) => {
    for (const one of [method].flat()) routes.push({ method: one, url, access: config?.access });
  });
  return { server, routes };
}

test('the API knows the scopes and the audited acts that the database keeps, and no others', () => {
  assert.deepEqual(wire.KEY_SCOPES, KEY_SCOPES);
  assert.deepEqual(wire.AUDIT_ACTIONS, AUDIT_ACTIONS);
});

test('every route says who may call it', async () => {
  const { server, routes } = await startWithRoutes();
  await using _ = server;
  assert.ok(routes.length > 25, `only ${routes.length} routes`);
  const silent = routes.filter(({ access }) => access === undefined);
  assert.deepEqual(silent, [], 'name an access in the config of these routes');
});

test('every route is open to exactly the scopes that cover it', async () => {
  const { server, routes } = await startWithRoutes();
  await using _ = server;
  const callers = await Promise.all(
    KEY_SCOPES.map(async (scope) => ({ scope, ask: await asNew(server, { scope }) })),
  );
  for (const { method, url, access } of routes) {
    if (access === 'public' || method === 'HEAD') continue;
    const needed = access === 'signed' ? 'read' : (access as KeyScope);
    const path = url.replace(/:\w+/g, NOWHERE);
    assert.equal((await call(server, path, { method })).status, 401, `${method} ${url} without a key`);
    for (const { scope, ask } of callers) {
      const { status, body } = await ask(method, path);
      const isRefused = body?.bora?.code === 'scope_missing';
      assert.equal(isRefused, !covers(scope, needed), `${method} ${url} as ${scope}: ${status}`);
      if (isRefused) assert.equal(status, 403);
      if (isRefused)
        assert.match(JSON.stringify(body.detail), new RegExp(`needs a key of the scope ${needed}`));
    }
  }
});

test('a route that forgets to say who may call it is for admins', async () => {
  await using server = await startTelling((route) => {
    if (route.url === '/v1/files') route.config = {};
  });
  const [write, admin] = [await asNew(server), await asNew(server, { scope: 'admin' })];
  assert.equal((await write('GET', '/v1/files')).status, 403);
  assert.equal((await admin('GET', '/v1/files')).status, 200);
});

test('an expired and a revoked key are told so, an unknown one is not', async () => {
  let ahead = 0;
  await using server = await startApiServer({ ahead: () => ahead });
  const admin = await asNew(server, { scope: 'admin' });
  const expires_at = Math.floor(Date.now() / 1000) + 60;
  const made = await admin<CreatedApiKey>('POST', '/bora/v1/keys', { name: 'short', expires_at });
  assert.equal(made.status, 200);
  const short = as(server, made.body.key);
  assert.equal((await short('GET', '/v1/files')).status, 200);
  ahead = 61_000;
  const expired = await short('GET', '/v1/files');
  assert.deepEqual([expired.status, expired.body.detail], [401, 'Invalid API Key']);
  assert.match(expired.body.message!, /^This key expired at .*Z\. Ask for a new one\.$/);

  const long = await admin<CreatedApiKey>('POST', '/bora/v1/keys', { name: 'long' });
  const revoked = as(server, long.body.key);
  assert.equal((await revoked('GET', '/v1/files')).status, 200);
  assert.deepEqual((await admin('DELETE', `/bora/v1/keys/${long.body.id}`)).body, {
    id: long.body.id,
    object: 'api_key',
    revoked: true,
  });
  assert.match((await revoked('GET', '/v1/files')).body.message!, /was revoked/);
  assert.equal((await admin('DELETE', `/bora/v1/keys/${long.body.id}`)).body.bora?.code, 'key_not_found');
  assert.equal((await as(server, 'bora-guess')('GET', '/v1/files')).body.message, undefined);
});

test('a key is shown once, its hash never', async () => {
  await using server = await startApiServer();
  const admin = await asNew(server, { scope: 'admin' });
  const body = { name: 'ci', workspace: 'other', user: 'ada', scope: 'read' };
  const made = await admin<CreatedApiKey>('POST', '/bora/v1/keys', body);
  const listed = await admin<ApiKeyList>('GET', '/bora/v1/keys');
  apiKeyList.parse(listed.body);
  const { key, ...rest } = made.body;
  const found = listed.body.data.find(({ id }) => id === rest.id);
  assert.deepEqual(found, rest);
  assert.deepEqual({ ...body, state: found.state }, { ...body, state: 'live' });
  assert.ok(!JSON.stringify(listed.body).includes(key));
  for (const wrong of [{}, { name: '' }, { name: 'x', scope: 'root' }, { name: 'x', expires_at: 'soon' }]) {
    assert.equal((await admin('POST', '/bora/v1/keys', wrong)).status, 422, JSON.stringify(wrong));
  }
});

test("two users of a workspace share its jobs and files, but not a user's own files", async () => {
  await using server = await startApiServer();
  const [ada, phone, ben, link] = [
    await asNew(server, { user: 'ada' }),
    await asNew(server, { user: 'ada' }),
    await asNew(server, { user: 'ben' }),
    await asNew(server),
  ];
  const own = await ada<MistralFile>('POST', '/v1/files', batchFile(1, { visibility: 'user' }));
  const shared = await ada<MistralFile>('POST', '/v1/files', batchFile());
  const path = `/v1/files/${own.body.id}`;
  const job = { endpoint: CHAT, model: 'm', input_files: [own.body.id] };

  for (const stranger of [ben, link]) {
    for (const [method, at] of [
      ['GET', path],
      ['GET', `${path}/content`],
      ['GET', `${path}/url`],
      ['DELETE', path],
    ]) {
      const { status, body } = await stranger(method, at);
      assert.deepEqual([status, body.bora?.code], [404, 'file_not_found'], `${method} ${at}`);
    }
    assert.equal((await stranger('POST', '/v1/batch/jobs', job)).body.bora?.code, 'file_not_found');
    const { body } = await stranger<FileList>('GET', '/v1/files');
    assert.deepEqual([body.data.map(({ id }) => id), body.total], [[shared.body.id], 1]);
  }
  for (const self of [ada, phone]) {
    assert.equal((await self<MistralFile>('GET', path)).body.visibility, 'user');
    assert.equal((await self<FileList>('GET', '/v1/files')).body.total, 2);
  }
  const url = await phone<SignedUrl>('GET', `${path}/url`);
  assert.equal((await fetch(url.body.url)).status, 200, 'whoever is given the link may read');

  const made = await phone<BatchJob>('POST', '/v1/batch/jobs', job);
  assert.equal(made.status, 200);
  const jobs = async (ask: Ask, query = ''): Promise<string[]> =>
    (await ask<BatchJobList>('GET', `/v1/batch/jobs${query}`)).body.data.map(({ id }) => id);
  assert.deepEqual(await jobs(ben), [made.body.id]);
  assert.deepEqual(await jobs(ada, '?created_by_me=true'), [made.body.id]);
  assert.deepEqual(await jobs(ben, '?created_by_me=true'), []);
  assert.equal((await ada('DELETE', path)).status, 200);
});

test('a disabled workspace answers 403 with the reason, on links too, and goes on when it is enabled', async () => {
  await using server = await startApiServer();
  const admin = await asNew(server, { scope: 'admin', workspace: 'operators' });
  const member = await asNew(server);
  const file = await member<MistralFile>('POST', '/v1/files', batchFile());
  const link = await member<SignedUrl>('GET', `/v1/files/${file.body.id}/url`);
  const change = (disabled: string | null): Promise<Answer<Workspace>> =>
    admin('PATCH', '/bora/v1/workspaces/team', { disabled });
  assert.equal((await change('The bill is open.')).body.disabled?.reason, 'The bill is open.');
  for (const path of ['/v1/files', '/v1/nothing', link.body.url.slice(server.url.length)]) {
    const { status, body } = await member('GET', path);
    assert.deepEqual([status, body.bora?.code], [403, 'workspace_disabled'], path);
    assert.equal(body.detail, 'The workspace team is disabled: The bill is open.');
  }
  assert.equal((await change(null)).body.disabled, null);
  assert.equal((await member('GET', '/v1/files')).status, 200);
  assert.equal((await fetch(link.body.url)).status, 200);
});

test("a workspace's own limits stand in for the installation's, each with its answer", async () => {
  await using server = await startApiServer({
    settings: { maxFileLines: 2, maxPendingRequests: 2, maxActiveJobs: 5 },
  });
  const admin = await asNew(server, { scope: 'admin' });
  const wide = { max_file_lines: 20, max_pending_requests: 20 };
  const made = await admin<Workspace>('POST', '/bora/v1/workspaces', {
    name: 'wide',
    weight: 2,
    limits: wide,
  });
  assert.deepEqual([made.status, made.body.weight], [200, 2]);
  const [narrow, member] = [await asNew(server), await asNew(server, { workspace: 'wide' })];
  const upload = (ask: Ask, lines: number): Promise<Answer<MistralFile & ErrorBody>> =>
    ask('POST', '/v1/files', batchFile(lines));
  const run = (ask: Ask, requests: number): Promise<Answer<BatchJob & ErrorBody>> =>
    ask('POST', '/v1/batch/jobs', {
      ...JOB,
      requests: Array.from({ length: requests }, () => chatLine(null)),
    });
  const refusal = ({ status, body }: Answer<ErrorBody>): unknown => [status, body.bora?.code];

  assert.deepEqual(refusal(await upload(narrow, 3)), [413, 'file_too_large']);
  assert.equal((await upload(member, 3)).status, 200);
  assert.equal((await run(narrow, 2)).status, 200);
  const pending = await run(narrow, 1);
  assert.deepEqual(refusal(pending), [429, 'too_many_pending']);
  assert.match(JSON.stringify(pending.body.detail), /2 unfinished requests.*more than 2/);

  const limit = (limits: object): Promise<Answer<ErrorBody>> =>
    admin('PATCH', '/bora/v1/workspaces/wide', { limits });
  await limit({ max_active_jobs: 1 });
  assert.equal((await run(member, 1)).status, 200);
  assert.deepEqual(refusal(await run(member, 1)), [429, 'too_many_jobs']);
  const { body: details } = await admin<WorkspaceDetails>('GET', '/bora/v1/workspaces/wide');
  workspaceDetails.parse(details);
  assert.deepEqual(details.limits, {
    ...wide,
    max_active_jobs: 1,
    max_file_bytes: null,
    max_stored_bytes: null,
  });
  assert.deepEqual([details.usage.active_jobs, details.usage.pending_requests], [1, 1]);

  await limit({ max_file_lines: null });
  assert.deepEqual(refusal(await upload(member, 3)), [413, 'file_too_large'], "the installation's again");
  await limit({ max_stored_bytes: details.usage.stored_bytes + 10 });
  const full = await upload(member, 1);
  assert.deepEqual(refusal(full), [413, 'workspace_full']);
  assert.match(JSON.stringify(full.body.detail), /room for 10 more bytes.*Delete files/);
  await limit({ max_stored_bytes: null, max_file_bytes: 8 });
  assert.deepEqual(refusal(await upload(member, 1)), [413, 'file_too_large']);
  assert.equal(
    (await admin('PATCH', '/bora/v1/workspaces/nowhere', {})).body.bora?.code,
    'workspace_not_found',
  );
  assert.equal((await limit({ max_file_bytes: -1 })).status, 422);
  const { body: list } = await admin('GET', '/bora/v1/workspaces');
  assert.deepEqual(
    workspaceList.parse(list).data.map(({ name }) => name),
    ['default', 'team', 'wide'],
  );
  const again = await admin('POST', '/bora/v1/workspaces', { name: 'wide' });
  assert.deepEqual(refusal(again), [409, 'workspace_exists']);
});

test('each call that changes something is in the audit log, with who made it', async () => {
  await using server = await startApiServer();
  const admin = await asNew(server, { scope: 'admin', user: 'root', workspace: 'operators' });
  const ada = await asNew(server, { user: 'ada' });
  const { body: file } = await ada<MistralFile>('POST', '/v1/files', batchFile());
  const { body: job } = await ada<BatchJob>('POST', '/v1/batch/jobs', {
    endpoint: CHAT,
    model: 'm',
    input_files: [file.id],
  });
  await ada('POST', `/v1/batch/jobs/${job.id}/cancel`);
  await ada('POST', `/v1/batch/jobs/${job.id}/cancel`);
  await ada('DELETE', `/v1/batch/jobs/${job.id}`);
  await ada('DELETE', `/v1/files/${file.id}`);
  await ada('DELETE', `/v1/files/${file.id}`);
  const { body: key } = await admin<CreatedApiKey>('POST', '/bora/v1/keys', { name: 'ci', workspace: 'new' });
  await admin('DELETE', `/bora/v1/keys/${key.id}`);
  const { body: garden } = await admin<Workspace>('POST', '/bora/v1/workspaces', { name: 'garden' });
  await admin('PATCH', '/bora/v1/workspaces/garden', { weight: 3, limits: { max_active_jobs: 1 } });
  await admin('PATCH', '/bora/v1/workspaces/garden', { disabled: 'winter' });
  await admin('PATCH', '/bora/v1/workspaces/garden', { disabled: null });

  const read = async (query = ''): Promise<AuditPage> => {
    const { status, body } = await admin<AuditPage>('GET', `/bora/v1/audit${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    return auditPage.parse(body);
  };
  const { data } = await read();
  const byCalls = data.filter(({ ip }) => ip !== null).toReversed();
  assert.deepEqual(
    byCalls.map(({ action, user, subject_id, workspace }) => [action, user, subject_id, workspace]),
    [
      ['file.create', 'ada', file.id, 'team'],
      ['batch_job.create', 'ada', job.id, 'team'],
      ['batch_job.cancel', 'ada', job.id, 'team'],
      ['batch_job.delete', 'ada', job.id, 'team'],
      ['file.delete', 'ada', file.id, 'team'],
      ['workspace.create', 'root', key.workspace_id, 'new'],
      ['api_key.create', 'root', key.id, 'new'],
      ['api_key.revoke', 'root', key.id, 'new'],
      ['workspace.create', 'root', garden.id, 'garden'],
      ['workspace.weight', 'root', garden.id, 'garden'],
      ['workspace.limits', 'root', garden.id, 'garden'],
      ['workspace.disable', 'root', garden.id, 'garden'],
      ['workspace.enable', 'root', garden.id, 'garden'],
    ],
  );
  assert.ok(byCalls.every(({ ip, key_id }) => ip === '127.0.0.1' && key_id !== null));

  const first = await read('?action=batch_job.cancel,batch_job.delete&page_size=1');
  assert.deepEqual(
    first.data.map(({ action }) => action),
    ['batch_job.delete'],
  );
  const second = await read(`?action=batch_job.cancel,batch_job.delete&page_size=1&before=${first.next}`);
  assert.deepEqual([second.data[0].action, second.next], ['batch_job.cancel', null]);
  assert.equal((await read('?workspace=garden')).data.length, 5);
  assert.equal((await read(`?subject_id=${file.id}`)).data.length, 2);
  assert.equal((await read('?from=2999-01-01')).data.length, 0);
  assert.equal((await read('?to=1000000000')).data.length, 0);
  assert.equal((await admin('GET', '/bora/v1/audit?action=guess')).status, 422);
  assert.equal((await admin('GET', '/bora/v1/audit?from=yesterday')).status, 422);
  assert.equal((await admin('GET', '/bora/v1/audit?workspace=nowhere')).status, 404);
});

test('without keys whoever is on the machine administers', async () => {
  await using server = await startApiServer();
  const made = await call<CreatedApiKey>(server, '/bora/v1/keys', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'first', scope: 'admin' }),
  });
  assert.equal(made.body.workspace, 'default');
  assert.equal((await call(server, '/bora/v1/keys')).status, 401, 'from the first key on');
  assert.equal((await as(server, made.body.key)('GET', '/bora/v1/keys')).status, 200);
  const broken = await as(server, made.body.key)('POST', '/bora/v1/keys', new FormData());
  assert.equal(broken.body.bora?.code, 'invalid_json');
});

test('without keys no page from elsewhere administers, be it allowed to call', async () => {
  await using server = await startApiServer({ settings: { corsOrigins: 'all' } });
  const from = async (origin: string): Promise<unknown[]> => {
    const headers = { origin, 'content-type': 'text/plain' };
    const init = { method: 'POST', headers, body: JSON.stringify({ name: 'stolen' }) };
    const { status, body } = await call(server, '/bora/v1/keys', init);
    return [status, body.bora?.code];
  };
  for (const origin of ['https://example.com', 'null', 'http://127.0.0.1:1']) {
    assert.deepEqual(await from(origin), [403, 'scope_missing'], origin);
  }
  assert.equal((await call(server, '/v1/files', { headers: { origin: 'https://example.com' } })).status, 200);
  assert.deepEqual(await from(server.url), [200, undefined], 'its own page may');
});
