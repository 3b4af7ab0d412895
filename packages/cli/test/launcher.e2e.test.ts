import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import manifest from '../../../package.json' with { type: 'json' };

const LAUNCHER = fileURLToPath(new URL('../bin/bora.js', import.meta.url));

/** Runs the launcher in a Node that claims another version or architecture. */
function launch(args: readonly string[], claims: { version?: string; arch?: string } = {}) {
  const { version = process.versions.node, arch = process.arch } = claims;
  const pretend =
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } });` +
    `Object.defineProperty(process, 'arch', { value: '${arch}' });`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ['--import', preload, LAUNCHER, ...args], { encoding: 'utf8' });
}

test('a Node that is new enough runs the command itself', () => {
  const run = launch(['--version']);
  assert.equal(run.status, 0, run.stderr);
  assert.match(run.stdout, /^\d+\.\d+\.\d+\n$/);
});

test('an old Node hands over to the packaged one, with arguments and exit code', () => {
  for (const version of ['20.20.2', '22.18.9']) {
    assert.match(launch(['--version'], { version }).stdout, /^\d+\.\d+\.\d+\n$/);
    const run = launch(['results', 'x', '--url', 'http://127.0.0.1:9', '--json'], { version });
    assert.equal(run.status, 5);
    assert.match(run.stdout, /got no answer/);
  }
});

test('an old Node without a packaged one is told what to do', () => {
  const run = launch(['--version'], { version: '20.20.2', arch: 'mips' });
  assert.equal(run.status, 1);
  assert.match(run.stderr, /needs Node 22\.19[\s\S]*20\.20\.2[\s\S]*npm install node-linux-mips@24/);
});

test('what serves for long starts with the flags of npm start, in the process that was started', async () => {
  const { scripts } = manifest;
  const flags = scripts.start.split(' ').filter((word) => word.startsWith('--'));
  await using folder = await makeTemporaryFolder();
  const env = { ...process.env, BORA_DATA: folder.path, BORA_PORT: '0', BORA_LOG_LEVEL: 'silent' };
  const server = spawn(process.execPath, [LAUNCHER, 'serve', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(server.stdout, 'data');
    const command = await readFile(`/proc/${server.pid}/cmdline`, 'utf8');
    assert.equal(flags.length, 2);
    for (const flag of flags) assert.ok(command.split('\0').includes(flag), command);
  } finally {
    server.kill('SIGTERM');
  }
  assert.deepEqual(await once(server, 'exit'), [0, null]);
});
