import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { BATCH_ENDPOINTS } from '@bora/protocol/batch-endpoints';
import { completionScript, SHELLS } from '../src/completion-scripts.ts';
import { completedCommands } from '../src/completion-words.ts';
import { createProgram } from '../src/program.ts';

const commands = completedCommands(createProgram());

/** What bash offers behind these words, the last of which is being typed. */
function offered(...words: string[]): string[] {
  const script = `${completionScript('bash', commands)}
COMP_WORDS=(bora "$@")
COMP_CWORD=$#
_bora
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const bash = spawnSync('bash', ['--norc', '-c', script, 'bash', ...words], { encoding: 'utf8' });
  assert.deepEqual([bash.status, bash.stderr], [0, '']);
  return bash.stdout.split('\n').filter((word) => word !== '');
}

test('bash offers commands, those below them, flags and the values of flags', () => {
  assert.deepEqual(offered('s'), ['serve', 'simulate', 'submit', 'show']);
  assert.deepEqual(offered('files', 'd'), ['download', 'delete']);
  assert.deepEqual(offered('files', 'delete', '--u'), ['--url']);
  assert.deepEqual(offered('watch', 'some-job', '--js'), ['--json']);
  assert.deepEqual(offered('submit', '--endpoint', ''), [...BATCH_ENDPOINTS]);
  assert.deepEqual(offered('completion', ''), [...SHELLS, '--help']);
});

test('bash is left to offer files where a path or a free value stands', () => {
  assert.deepEqual(offered('submit', 'requests'), []);
  assert.deepEqual(offered('results', '-o', 'r'), []);
  assert.deepEqual(offered('results', '--output', ''), []);
});

test('each script names every command', () => {
  for (const shell of SHELLS) {
    const script = completionScript(shell, commands);
    for (const { path } of commands.slice(1))
      assert.ok(script.includes(path.at(-1)!), `${shell}: ${path.join(' ')}`);
    assert.ok(!/undefined|\[object/.test(script));
  }
});
