import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { openAdministration } from '@bora/server';
import { createApiKey } from '@bora/server/access/create-key';
import { buildPackage } from '../build/build-package.ts';
import { tinyServer } from './tiny-server.ts';

const CHROMIUM = ['chromium', 'chromium-browser', 'google-chrome', 'chrome']
  .flatMap((name) => (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, name)))
  .find((path) => existsSync(path));
const SKIP =
  CHROMIUM === undefined
    ? { skip: 'There is no Chromium on this machine; `apt-get install chromium` brings it.' }
    : {};

/** What the page does; each step's outcome is a member of what it reports. */
const SCRIPT = `
import { BoraClient } from '@bora/client';

const { url, key } = await (await fetch('/settings')).json();
const client = new BoraClient({ baseUrl: url, apiKey: key, maxRetries: 0 });
const failure = (promise) => promise.then(() => null, ({ code, status, requestId }) => ({ code, status, requestId }));
const line = (id) => JSON.stringify({ custom_id: id, body: { messages: [{ role: 'user', content: id }] } }) + '\\n';

async function report() {
  const refused = await failure(client.jobs.list());
  if (refused !== null) return { refused };
  const file = await client.files.upload(new File([line('a'), line('b')], 'picked.jsonl'));
  const bytes = await client.files.upload(new TextEncoder().encode(line('c')), { filename: 'bytes.jsonl' });
  const stream = await client.files.upload(new Blob([line('d')]).stream(), { filename: 'stream.jsonl' });
  const created = await client.jobs.create({
    endpoint: '/v1/chat/completions',
    model: 'simulated-chat',
    input_files: [file.id, bytes.id, stream.id],
  });
  const ended = await client.jobs.waitUntilComplete(created.id, { intervalMs: 20 });
  const results = [];
  for await (const { customId, kind } of client.jobs.results(ended)) results.push(customId + ' ' + kind);
  return {
    filenames: [file, bytes, stream].map(({ filename }) => filename),
    status: ended.status,
    results,
    missing: await failure(client.jobs.get('00000000-0000-4000-8000-000000000000')),
    path: await failure(client.files.upload({ path: 'requests.jsonl' })),
  };
}
const body = JSON.stringify(await report().catch((error) => ({ error: String(error) })));
await fetch('/report', { method: 'POST', body });
`;
const PAGE = `<!doctype html><script type="importmap">{"imports":{"@bora/client":"/client/client.js"}}</script>
<script type="module">${SCRIPT}</script>`;

interface Report {
  readonly error?: string;
  readonly refused?: { readonly code: string };
  readonly filenames?: readonly string[];
  readonly status?: string;
  readonly results?: readonly string[];
  readonly missing?: { readonly code: string; readonly status: number; readonly requestId: string };
  readonly path?: { readonly code: string };
}

let folder: Awaited<ReturnType<typeof makeTemporaryFolder>>;
before(async () => {
  folder = await makeTemporaryFolder();
  buildPackage(join(folder.path, 'client'));
});
after(() => folder[Symbol.asyncDispose]());

/** Opens the page, which lies on an origin of its own, in Chromium, and answers what it reports. */
async function reportOfPage(settings: { url: string; key?: string }): Promise<Report> {
  const { promise: reported, resolve } = Promise.withResolvers<Report>();
  await using server = await tinyServer(async (request, response) => {
    const path = request.url ?? '';
    const respond = (type: string, body: string | Buffer): void => {
      response.writeHead(200, { 'content-type': type }).end(body);
    };
    if (path === '/report') {
      const chunks = (await request.toArray()) as Buffer[];
      respond('text/plain', '');
      resolve(JSON.parse(Buffer.concat(chunks).toString()) as Report);
    } else if (path === '/settings') respond('application/json', JSON.stringify(settings));
    else if (/^\/client\/[a-z-]+\.js$/.test(path))
      respond('text/javascript', readFileSync(join(folder.path, path)));
    else respond('text/html', PAGE);
  });
  await using profile = await makeTemporaryFolder();
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-proxy-server', '--no-first-run'];
  const browser = spawn(CHROMIUM!, [...flags, `--user-data-dir=${profile.path}`, server.url], {
    stdio: 'ignore',
  });
  const ended = once(browser, 'exit');
  try {
    return await Promise.race([
      reported,
      ended.then(() => assert.fail('the browser ended before it reported')),
    ]);
  } finally {
    browser.kill();
    await ended;
  }
}

async function makeKey(bora: WholeBora): Promise<string> {
  await using administration = await openAdministration(bora.dataFolder);
  return (await createApiKey(administration, { workspace: 'default', name: 'page' })).key;
}

test('a page of another origin uploads, creates, waits and reads results with a key', SKIP, async () => {
  await using bora = await startWholeBora();
  const report = await reportOfPage({ url: bora.url, key: await makeKey(bora) });
  assert.equal(report.error, undefined);
  assert.deepEqual(report.filenames, ['picked.jsonl', 'bytes.jsonl', 'stream.jsonl']);
  assert.equal(report.status, 'SUCCESS');
  assert.deepEqual(
    report.results,
    ['a', 'b', 'c', 'd'].map((id) => `${id} succeeded`),
  );
  assert.deepEqual([report.missing?.code, report.missing?.status], ['job_not_found', 404]);
  assert.match(report.missing?.requestId ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(report.path?.code, 'path_needs_node');
});

test('a page of another origin gets nothing of a Bora without keys', SKIP, async () => {
  await using bora = await startWholeBora();
  const report = await reportOfPage({ url: bora.url });
  assert.equal(report.refused?.code, 'no_answer');
});
