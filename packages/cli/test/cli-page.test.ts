import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Command } from 'commander';
import { cliPage } from '../src/cli-page.ts';
import { EXIT, EXIT_CODE_HELP } from '../src/exit-codes.ts';
import { createProgram } from '../src/program.ts';

const page = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

test('the page about the command shows every command as its help does', () => {
  assert.equal(page, cliPage(page), 'Write it anew with: npm run docs:cli');
  for (const command of createProgram().commands) assert.ok(page.includes(`\n## bora ${command.name()}\n`));
});

test('every command shows an example that begins with its own words', () => {
  for (const command of leaves(createProgram())) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    assert.match(help, new RegExp(`Example:\\n[^]*bora [^]*${command.name()}\\b`), command.name());
  }
});

test('the help and the page tell every exit code', () => {
  for (const code of Object.values(EXIT)) {
    assert.match(EXIT_CODE_HELP, new RegExp(`(^|\\s)${code} `, 'm'));
    assert.match(page, new RegExp(`^\\| ${code} +\\| [A-Z]`, 'm'));
  }
});
