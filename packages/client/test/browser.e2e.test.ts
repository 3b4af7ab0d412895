import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startWholeBora } from '@bora/testkit/whole-bora';
import type { WholeBora } from '@bora/testkit/whole-bora';
import { openAdministration } from '@bora/server/data-folder';
import { createApiKey } from '@bora/server/access/create-key';
import { IMPORT_MAP, reportOfPage, SKIP } from './browser-page.ts';

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
const PAGE = `${IMPORT_MAP}<script type="module">${SCRIPT}</script>`;

/** The page that the browser example of docs/client.md is put into, with somebody who picks a file there. */
function pageAround(example: string, { url, key }: { readonly url: string; readonly key: string }): string {
  return `${IMPORT_MAP}<input type="file"><ol></ol>
<script>
const report = (texts) => fetch('/report', { method: 'POST', body: JSON.stringify(texts) });
addEventListener('error', ({ message }) => report([message]));
addEventListener('unhandledrejection', ({ reason }) => report([String(reason)]));
sessionStorage.setItem('bora-key', '${key}');
</script>
<script type="module">${example.replace('http://127.0.0.1:2672', url)}</script>
<script type="module">
const answers = document.querySelector('ol');
new MutationObserver(() => {
  const texts = [...answers.children].map(({ textContent }) => textContent);
  if (texts.length === 2) report(texts);
}).observe(answers, { childList: true });
const picked = new DataTransfer();
picked.items.add(new File(['When is basil sown?\\nWhich herbs like shade?\\n'], 'questions.txt'));
const input = document.querySelector('input');
input.files = picked.files;
input.dispatchEvent(new Event('change'));
</script>`;
}

interface Report {
  readonly error?: string;
  readonly refused?: { readonly code: string };
  readonly filenames?: readonly string[];
  readonly status?: string;
  readonly results?: readonly string[];
  readonly missing?: { readonly code: string; readonly status: number; readonly requestId: string };
  readonly path?: { readonly code: string };
}

async function makeKey(bora: WholeBora): Promise<string> {
  await using administration = await openAdministration(bora.dataFolder);
  return (await createApiKey(administration, { workspace: 'default', name: 'page' })).key;
}

test('a page of another origin uploads, creates, waits and reads results with a key', SKIP, async () => {
  await using bora = await startWholeBora();
  const report = await reportOfPage<Report>(PAGE, { url: bora.url, key: await makeKey(bora) });
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
  const report = await reportOfPage<Report>(PAGE, { url: bora.url });
  assert.equal(report.refused?.code, 'no_answer');
});

test('the browser example of the page about the client runs as it stands', SKIP, async () => {
  const text = readFileSync(new URL('../../../docs/client.md', import.meta.url), 'utf8');
  const [example, ...more] = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code);
  assert.deepEqual(more, []);
  await using bora = await startWholeBora({
    upstream: { models: { 'mistral-small-latest': 'simulated-chat' } },
  });
  const page = pageAround(example, { url: bora.url, key: await makeKey(bora) });
  const answers = await reportOfPage<readonly string[]>(page, {});
  assert.equal(answers.length, 2, answers.join());
  for (const answer of answers) assert.notEqual(answer, '');
  const [job] = (await bora.clientWith(await makeKey(bora)).jobs.list()).data;
  assert.deepEqual([job.status, job.succeeded_requests], ['SUCCESS', 2]);
});
