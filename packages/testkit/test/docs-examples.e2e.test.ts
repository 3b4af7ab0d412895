import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { readConfig } from '@bora/server/config/config';
import { signedEvent } from '@bora/server/webhooks/signed-event';
import type { WholeBora } from '../src/whole-bora.ts';
import { startWholeBora } from '../src/whole-bora.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const ADDRESS = 'http://127.0.0.1:2672';
const run = promisify(execFile);

let whole: WholeBora;
before(async () => {
  whole = await startWholeBora({ upstream: { models: { 'mistral-small-latest': 'simulated-chat' } } });
});
after(() => whole[Symbol.asyncDispose]());

function blocks(page: string, language: string): string[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, code]) => code);
}

/** The one example of this language in the page about moving, with the address of a Bora that runs. */
function movingExample(language: string): string {
  const [code, ...more] = blocks('docs/move-from-mistral.md', language);
  assert.deepEqual(more, []);
  assert.ok(code.includes(ADDRESS), code);
  return code.replace(ADDRESS, whole.url);
}

async function assertSucceeds(jobId: string): Promise<void> {
  const job = await whole.client.jobs.waitUntilComplete(jobId, { intervalMs: 20 });
  assert.equal(job.status, 'SUCCESS');
  const { outputs } = await whole.client.jobs.get(jobId);
  assert.deepEqual(
    outputs?.map(({ custom_id }) => custom_id),
    ['a'],
  );
}

test('the TypeScript of the page about moving runs as it stands, to its results', async () => {
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', movingExample('ts')], {
    cwd: ROOT,
  });
  await assertSucceeds(stdout.trim());
});

test('the curl of the page about moving runs as it stands, to its results', async () => {
  const { stdout } = await run('bash', ['-euc', movingExample('sh')]);
  await assertSucceeds((JSON.parse(stdout) as { id: string }).id);
});

test('the TypeScript of the page about moving from OpenAI runs as it stands, to its results', async () => {
  const [code, ...more] = blocks('docs/move-from-openai.md', 'ts');
  assert.deepEqual(more, []);
  assert.ok(code.includes(ADDRESS), code);
  const program = code.replace(ADDRESS, whole.url);
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', program], { cwd: ROOT });
  const job = await whole.client.jobs.waitUntilComplete(stdout.trim(), { intervalMs: 20 });
  assert.deepEqual([job.status, job.succeeded_requests], ['SUCCESS', 1]);
});

test('the TypeScript of the page about operation verifies an event, and asks for its batch', async () => {
  const [code = '', ...more] = blocks('docs/operation.md', 'ts');
  assert.deepEqual(more, []);
  const requests = [{ custom_id: 'a', body: { messages: [{ role: 'user', content: 'hello' }] } }];
  const asked = { endpoint: '/v1/chat/completions', model: 'mistral-small-latest', requests } as const;
  const { id: batchId } = await whole.client.jobs.create(asked);
  await whole.client.jobs.waitUntilComplete(batchId, { intervalMs: 20 });
  const program = code
    .replace(ADDRESS, whole.url)
    .replace('.listen(8080)', '.listen(0, function () { process.send(this.address().port); })');
  const receiver = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: ROOT,
    env: { ...process.env, HOOK_SECRET: 'words' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  try {
    const [port] = (await once(receiver, 'message')) as [number];
    const now = Date.now();
    const event = { webhook: 'it', batchId, state: 'completed', endedAt: now, attempts: 1 } as const;
    const post = async (key: string): Promise<number> => {
      const { body, headers } = signedEvent(event, Buffer.from(key), now);
      return (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body, headers })).status;
    };
    const printed = once(receiver.stdout!, 'data');
    assert.deepEqual([await post('other words'), await post('words')], [400, 200]);
    assert.match(String((await printed)[0]), new RegExp(`id: 'batch_${batchId.replaceAll('-', '')}'`));
  } finally {
    receiver.kill();
  }
});

/** What each example of the page about the client prints, in their order. */
const CLIENT_EXAMPLES = [
  /^request-0 \S.*\nrequest-1 \S.*\nrequest-2 \S.*\n$/,
  /^\{ custom_id: 'a', body: \{ max_tokens: 100, messages: .*file_url/s,
  /^\{"custom_id":"a".*\nRequest 1: Its custom_id "a" is that of request 0, too\.\nRequest 2: Its body lacks "messages"/,
  /^3 jobs: .*\n250 answers, [1-9]\d* tokens\n$/,
  /^\{.*object: 'list',.*embedding: \[/s,
  /^true SUCCESS [1-9]\d*\n(output \d+\n)+$/,
  /^([01] succeeded\n){1,2}$/,
  /^job_not_found 404 false\n$/,
];

test('the examples of the page about the client run as they stand', async () => {
  const examples = blocks('docs/client.md', 'ts');
  assert.equal(examples.length, CLIENT_EXAMPLES.length);
  const printed = await Promise.all(
    examples.map(async (code) => {
      const program = code.replace(ADDRESS, whole.url);
      const { stdout } = await run(process.execPath, ['--input-type=module-typescript', '--eval', program], {
        cwd: ROOT,
      });
      return stdout;
    }),
  );
  for (const [at, expected] of CLIENT_EXAMPLES.entries()) assert.match(printed[at], expected);
});

test('the example program of the client runs to its answers and leaves no file', async () => {
  const { total: kept } = await whole.client.files.list();
  const { stdout } = await run(process.execPath, [join(ROOT, 'examples/client.ts')], {
    env: { ...process.env, BORA_URL: whole.url, BORA_MODEL: 'mistral-small-latest' },
  });
  assert.match(stdout, /^thyme-April: \S.*\nthyme-October: \S[^]*\nbay-October: \S.*\n[1-9]\d* tokens\n$/);
  assert.equal((await whole.client.files.list()).total, kept);
});

test('the examples of the page about the client compile as strict TypeScript', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bora-docs-'));
  try {
    const files = blocks('docs/client.md', 'ts').map((code, at) => {
      writeFileSync(join(folder, `example-${at}.ts`), code);
      return `example-${at}.ts`;
    });
    const sources = join(ROOT, 'packages/client/src');
    const compilerOptions = {
      target: 'es2024',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      typeRoots: [join(ROOT, 'node_modules/@types')],
      types: ['node'],
      paths: { '@bora/client': [join(sources, 'client.ts')], '@bora/client/*': [join(sources, '*.ts')] },
    };
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [compiler, '-p', folder]).catch((error: unknown) => error);
    assert.equal((compiled as { stdout: string }).stdout, '');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

const CONFIGURED = ['docs/move-from-mistral.md', ...globSync('docs/connect/*.md', { cwd: ROOT })];

test('each page about connecting a server shows a bora.yaml that Bora takes', () => {
  assert.ok(CONFIGURED.length > 7, CONFIGURED.join());
  for (const page of CONFIGURED) {
    const [yaml, ...more] = blocks(page, 'yaml');
    assert.deepEqual(more, [], page);
    const folder = mkdtempSync(join(tmpdir(), 'bora-docs-'));
    try {
      writeFileSync(join(folder, 'bora.yaml'), yaml);
      const keys = [...yaml.matchAll(/api_key_env: (\w+)/g)].map(([, name]) => [name, 'key']);
      const { upstreams } = readConfig({ folder, env: Object.fromEntries(keys) as Record<string, string> });
      assert.ok(upstreams.length > 0, page);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
});
