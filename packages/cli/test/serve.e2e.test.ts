import assert from 'node:assert/strict';
import { execFile, type ExecFileException } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { bora, listening, startBora } from './bora-process.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bora-serve-'));
});
after(() => rm(folder, { recursive: true }));

test('simulate, serve, submit, results: the whole way through the commands', async () => {
  const simulator = startBora(['simulate', '--json', '--models', 'small,large']);
  const { url: upstream } = await listening(simulator);
  const server = startBora(['serve', '--json', '--log-level', 'silent', '--port', '0'], {
    env: { BORA_UPSTREAM: upstream, BORA_DATA: join(folder, 'whole') },
  });
  try {
    const { url, upstreams } = await listening(server);
    assert.deepEqual((upstreams as { serves: string[] }[])[0].serves.toSorted(), ['large', 'small']);
    const examples = new URL('../../../examples/chat.jsonl', import.meta.url).pathname;
    const submitted = await bora([
      'submit',
      examples,
      '--endpoint',
      '/v1/chat/completions',
      '--model',
      'large',
      '--wait',
      '--json',
      '--url',
      url,
    ]);
    assert.equal(submitted.code, 0, submitted.stdout);
    const { job_id } = JSON.parse(submitted.stdout) as { job_id: string };
    const results = await bora(['results', job_id, '--url', url]);
    assert.equal(results.stdout.trimEnd().split('\n').length, 20);
  } finally {
    server.child.kill('SIGTERM');
    simulator.child.kill('SIGINT');
  }
  assert.equal((await server.finished).code, 0);
  assert.equal((await simulator.finished).code, 0);
});

test('keys are made, listed and revoked beside a server that runs on the same folder', async () => {
  const env = { BORA_DATA: join(folder, 'keys'), BORA_PORT: '0', BORA_LOG_LEVEL: 'silent' };
  const made = await bora(['keys', 'create', '--name', 'laptop', '--workspace', 'garden', '--json'], { env });
  assert.equal(made.code, 0, made.stderr);
  const { key, id } = JSON.parse(made.stdout) as { key: string; id: string };
  const server = startBora(['serve', '--json'], { env });
  try {
    const { url } = await listening(server);
    const list = (apiKey: string): Promise<Response> =>
      fetch(`${url}/v1/files`, { headers: { authorization: `Bearer ${apiKey}` } });
    assert.equal((await list('wrong')).status, 401);
    assert.equal((await list(key)).status, 200);
    await bora(['keys', 'create', '--name', 'other'], { env });
    const revoked = await bora(['keys', 'revoke', id], { env });
    assert.equal(revoked.code, 0, revoked.stderr);
    assert.equal((await list(key)).status, 401);
    const listed = await bora(['keys', 'list'], { env });
    assert.match(listed.stdout, /laptop +garden +write +revoked/);
    assert.ok(!listed.stdout.includes(key));
    assert.equal((await bora(['keys', 'revoke', id], { env })).code, 2);
  } finally {
    server.child.kill('SIGTERM');
  }
  assert.equal((await server.finished).code, 0);
});

test('serve says what cannot be, and what to do, with code 2', async () => {
  const env = { BORA_DATA: join(folder, 'refused') };
  const open = await bora(['serve', '--host', '0.0.0.0', '--port', '0'], { env });
  assert.equal(open.code, 2);
  assert.match(open.stderr, /bora keys create/);
  const bad = await bora(['serve', '--port', 'many'], { env });
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /--port is "many"/);
  assert.equal((await bora(['simulate', '--rate-503', '2'])).code, 2);
});

test('a Bora whose database dies ends at once, with a sentence and code 1', { timeout: 30_000 }, async () => {
  const env = { ...process.env, BORA_DATA: join(folder, 'dying'), BORA_PORT: '0' };
  const script = new URL('./dying-bora.ts', import.meta.url).pathname;
  await assert.rejects(
    promisify(execFile)(process.execPath, [script], { env }),
    (error: ExecFileException) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr ?? '', /^error: The thread of the database has ended. The planted defect/);
      assert.match(error.stderr ?? '', /Start it again/);
      return true;
    },
  );
});

test('a second serve on one folder names the holder', async () => {
  const env = {
    BORA_DATA: join(folder, 'held'),
    BORA_PORT: '0',
    BORA_LOG_LEVEL: 'silent',
  };
  const first = startBora(['serve', '--json'], { env });
  try {
    await listening(first);
    const second = await bora(['serve'], { env });
    assert.equal(second.code, 2);
    assert.match(second.stderr, new RegExp(`process ${first.child.pid}`));
  } finally {
    first.child.kill('SIGTERM');
  }
  await first.finished;
});
