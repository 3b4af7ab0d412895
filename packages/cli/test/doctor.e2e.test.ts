import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { makeTemporaryFolder } from '@bora/testkit/temporary-folder';
import { startWholeBora } from '@bora/testkit/whole-bora';
import { checkNode } from '../src/doctor/environment.ts';
import type { Finding } from '../src/doctor/finding.ts';
import { bora } from './bora-process.ts';

interface Diagnosis {
  readonly code: number | null;
  readonly ok: boolean;
  readonly checks: readonly Finding[];
  readonly state: (check: string) => string | undefined;
  readonly detail: (check: string) => string;
}

async function doctor(env: Record<string, string>): Promise<Diagnosis> {
  const { stdout, stderr, code } = await bora(['doctor', '--json'], { env });
  assert.equal(stderr, '');
  const { ok, checks } = JSON.parse(stdout) as Pick<Diagnosis, 'ok' | 'checks'>;
  const found = (name: string): Finding | undefined => checks.find(({ check }) => check === name);
  return {
    code,
    ok,
    checks,
    state: (name) => found(name)?.state,
    detail: (name) => found(name)?.detail ?? '',
  };
}

test('beside a Bora that runs all is well: its port, its folder, its upstream and its key', async () => {
  await using whole = await startWholeBora({ simulator: { models: ['small'] } });
  const env = {
    BORA_URL: whole.url,
    BORA_DATA: whole.dataFolder,
    BORA_PORT: new URL(whole.url).port,
    BORA_UPSTREAM: whole.simulator.url,
  };
  const { code, ok, detail } = await doctor(env);
  assert.deepEqual([code, ok], [0, true]);
  assert.match(detail('port'), new RegExp(`held by a Bora: process ${process.pid}`));
  assert.match(detail('folder lock'), new RegExp(`process ${process.pid}, since `));
  assert.match(detail('upstream'), /is up and serves small/);
  assert.match(detail('server'), /answers, and shows 0 jobs/);

  await using elsewhere = await makeTemporaryFolder();
  const other = await doctor({ ...env, BORA_DATA: elsewhere.path });
  assert.deepEqual([other.code, other.state('port')], [7, 'fail']);
  assert.match(other.detail('port'), /is taken by the Bora of another data folder/);

  const text = await bora(['doctor'], { env });
  assert.match(text.stdout, /^ok {4}Node {11}\d/);
  assert.match(text.stderr, /All is well/);
});

test('what does not work fails with what to do, and code 7', async () => {
  await using folder = await makeTemporaryFolder();
  const stranger = createServer((socket) => socket.end('no\n'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const port = String((stranger.address() as AddressInfo).port);
  try {
    const found = await doctor({
      BORA_URL: 'http://127.0.0.1:9',
      BORA_DATA: folder.path,
      BORA_PORT: port,
      BORA_UPSTREAM: 'http://127.0.0.1:9',
      BORA_MIN_FREE_BYTES: String(2 ** 50),
    });
    assert.equal(found.code, 7);
    for (const check of ['data folder', 'port', 'upstream', 'server'])
      assert.equal(found.state(check), 'fail', check);
    assert.match(found.detail('port'), new RegExp(`taken by another program: process ${process.pid}`));
    for (const { state, whatToDo } of found.checks) if (state === 'fail') assert.ok(whatToDo);
    assert.equal(found.state('folder lock'), 'ok');
  } finally {
    stranger.close();
  }
});

test('a configuration that cannot be used is told, and what hangs on it is not looked at', async () => {
  const { code, state } = await doctor({ BORA_PORT: 'many' });
  assert.deepEqual([code, state('configuration'), state('port')], [7, 'fail', undefined]);
});

test('a Node that is too old fails', () => {
  assert.equal(checkNode('22.18.0').state, 'fail');
  assert.equal(checkNode('24.0.0').state, 'ok');
});
