import { openAccessRecords } from '@bora/server';
import { createApiKey } from '@bora/server/access/create-key';
import { readConfig } from '@bora/server/config/config';
import type { AccessRecords, ApiKeyRecord } from '@bora/server/storage/ports/access-records';
import type { Command } from 'commander';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { addOptionFlags, optionFlagsOf } from '../option-flags.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { renderTable } from '../table.ts';

interface KeysFlags {
  readonly data?: string;
  readonly json?: boolean;
}

interface CreateFlags extends KeysFlags {
  readonly name: string;
  readonly workspace?: string;
}

/** Each works on the data folder itself, whether or not a Bora runs on it. */
export function addKeysCommand(program: Command): void {
  const keys = program.command('keys').description('API keys of a data folder, also while Bora runs on it');

  keysCommand(keys, 'create', 'make a key; it is shown this once')
    .requiredOption('--name <name>', 'who or what uses it')
    .option('--workspace <name>', 'whose files and jobs it sees; made if it does not exist')
    .action((flags: CreateFlags) => runAction(flags, (output) => create(flags, output)));

  keysCommand(keys, 'list', 'show all keys, by their first characters').action((flags: KeysFlags) =>
    runAction(flags, (output) => list(flags, output)),
  );

  keysCommand(keys, 'revoke', 'end a key at once')
    .argument('<id>', 'as `bora keys list` shows it')
    .action((id: string, flags: KeysFlags) => runAction(flags, (output) => revoke(id, flags, output)));
}

function keysCommand(parent: Command, name: string, description: string): Command {
  const command = parent.command(name).description(description);
  return addOptionFlags(command, ['data', 'config']).option('--json', 'print JSON only');
}

async function create(flags: CreateFlags, output: Output): Promise<ExitCode> {
  await using records = await openRecords(flags);
  const workspace = flags.workspace ?? (await records.defaultWorkspace()).name;
  const first = !(await records.hasKeys());
  const { key, record } = await createApiKey(records, { workspace, name: flags.name });
  output.result({ key, ...shown(record) }, key);
  output.say(`\nThis is the only time the key is shown. It belongs to workspace ${record.workspace}.`);
  if (first) output.say('It is the first key: from now on every call needs one.');
  return EXIT.ok;
}

async function list(flags: KeysFlags, output: Output): Promise<ExitCode> {
  await using records = await openRecords(flags);
  const keys = (await records.listKeys()).map(shown);
  const rows = keys.map((key) => [
    key.id,
    `${key.prefix}…`,
    key.name,
    key.workspace,
    key.created_at,
    key.revoked_at ?? '',
  ]);
  const titles = ['id', 'key', 'name', 'workspace', 'created', 'revoked'].map((title) => ({ title }));
  output.result({ keys }, keys.length === 0 ? 'There are no keys.' : renderTable(titles, rows));
  return EXIT.ok;
}

async function revoke(id: string, flags: KeysFlags, output: Output): Promise<ExitCode> {
  await using records = await openRecords(flags);
  if (!(await records.revokeKey(id)))
    throw new CliError(`There is no live key ${id}.`, {
      exitCode: EXIT.usage,
      whatToDo: 'See the ids with: bora keys list',
    });
  const left = await records.hasKeys();
  output.result({ revoked: id, keys_left: left }, `Revoked ${id}.`);
  if (!left) output.say('It was the last key: Bora now answers without one, on a loopback address only.');
  return EXIT.ok;
}

function openRecords(flags: KeysFlags): Promise<AccessRecords & AsyncDisposable> {
  return openAccessRecords(readConfig({ env: process.env, flags: optionFlagsOf({ ...flags }) }).data);
}

function shown(record: ApiKeyRecord) {
  const { id, prefix, name, workspace, createdAt, revokedAt } = record;
  return {
    id,
    prefix,
    name,
    workspace,
    created_at: new Date(createdAt).toISOString(),
    revoked_at: revokedAt === null ? null : new Date(revokedAt).toISOString(),
  };
}
