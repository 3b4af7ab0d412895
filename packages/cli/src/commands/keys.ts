import { createApiKey } from '@bora/server/access/create-key';
import { keyView } from '@bora/server/access/views';
import { KEY_SCOPES } from '@bora/server/storage/ports/access-records';
import type { KeyScope } from '@bora/server/storage/ports/access-records';
import type { Command } from 'commander';
import { Option } from 'commander';
import { administrationCommand, commandActor, openFolder, openOrMakeFolder } from '../administration.ts';
import type { AdministrationFlags } from '../administration.ts';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { momentText } from '../human-text.ts';
import { readExpiry } from '../moments.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { renderTable } from '../table.ts';

interface CreateFlags extends AdministrationFlags {
  readonly name: string;
  readonly workspace?: string;
  readonly user?: string;
  readonly scope: KeyScope;
  readonly expires?: (now: number) => number;
}

/** Each works on the data folder itself, whether or not a Bora runs on it. */
export function addKeysCommand(program: Command): void {
  const keys = program.command('keys').description('API keys of a data folder, also while Bora runs on it');

  administrationCommand(
    keys,
    'create',
    'make a key; it is shown this once',
    'bora keys create --name laptop --user ada --expires 90d',
  )
    .requiredOption('--name <name>', 'what uses it')
    .option('--workspace <name>', 'whose files and jobs it sees; made if it does not exist')
    .option('--user <name>', 'whose it is; keys of one user are the same person')
    .addOption(scopeOption())
    .option('--expires <when>', 'such as 90d, 12h or 2027-01-31; default: never', readExpiry)
    .action((flags: CreateFlags) => runAction(flags, (output) => create(flags, output)));

  administrationCommand(keys, 'list', 'show all keys, by their first characters', 'bora keys list').action(
    (flags: AdministrationFlags) => runAction(flags, (output) => list(flags, output)),
  );

  administrationCommand(
    keys,
    'revoke',
    'end a key at once',
    'bora keys revoke 2f1c6c1e-8d0f-4b5e-9a55-0d6c2c8f7a10',
  )
    .argument('<id>', 'as `bora keys list` shows it')
    .action((id: string, flags: AdministrationFlags) =>
      runAction(flags, (output) => revoke(id, flags, output)),
    );
}

function scopeOption(): Option {
  const meaning = 'read: look and download; write: upload and run jobs too; admin: keys and workspaces too';
  return new Option('--scope <scope>', meaning).choices(KEY_SCOPES).default('write');
}

async function create(flags: CreateFlags, output: Output): Promise<ExitCode> {
  await using records = await openOrMakeFolder(flags);
  const { name, user, scope } = flags;
  const workspace = flags.workspace ?? (await records.defaultWorkspace()).name;
  const first = !(await records.hasKeys());
  const expiresAt = flags.expires?.(Date.now()) ?? null;
  const { key, record } = await createApiKey(
    records,
    { workspace, name, scope, expiresAt, user: user ?? null },
    commandActor(),
  );
  const view = keyView(record);
  output.result({ ...view, key }, key);
  output.say(
    `\nThis is the only time the key is shown. It may ${MAY[scope]} in workspace ${view.workspace}` +
      `${view.expires_at === null ? '' : ` until ${momentText(view.expires_at)}`}.`,
  );
  if (first) output.say('It is the first key: from now on every call needs one.');
  return EXIT.ok;
}

const MAY: Readonly<Record<KeyScope, string>> = {
  read: 'read',
  write: 'write',
  admin: 'administer, and write',
};

async function list(flags: AdministrationFlags, output: Output): Promise<ExitCode> {
  await using records = await openFolder(flags);
  const keys = (await records.listKeys()).map(keyView);
  const rows = keys.map((key) => [
    key.id,
    `${key.prefix}…`,
    key.name,
    key.user ?? '',
    key.workspace,
    key.scope,
    key.state,
    output.when(key.created_at),
    output.when(key.expires_at),
    output.when(key.last_used_at),
  ]);
  const titles = [
    'id',
    'key',
    'name',
    'user',
    'workspace',
    'scope',
    'state',
    'created',
    'expires',
    'last used',
  ];
  const columns = titles.map((title) => ({ title }));
  output.result({ keys }, keys.length === 0 ? 'There are no keys.' : renderTable(columns, rows));
  return EXIT.ok;
}

async function revoke(id: string, flags: AdministrationFlags, output: Output): Promise<ExitCode> {
  await using records = await openFolder(flags);
  if (!(await records.revokeKey(id, commandActor())))
    throw new CliError(`There is no key ${id} that could be revoked.`, {
      exitCode: EXIT.usage,
      whatToDo: 'See the ids with: bora keys list',
    });
  const live = (await records.listKeys()).filter(({ state }) => state === 'live').length;
  output.result({ revoked: id, live_keys: live }, `Revoked ${id}.`);
  if (live === 0)
    output.say('No live key is left: nobody can call until you make one with bora keys create.');
  return EXIT.ok;
}
