import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Administration } from '@bora/server/data-folder';
import { readConfig } from '@bora/server/config/config';
import type { Actor } from '@bora/server/storage/ports/audit-records';
import type { WorkspaceRecord } from '@bora/server/storage/ports/workspace-records';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { withExample } from './command-help.ts';
import { EXIT } from './exit-codes.ts';
import { addOptionFlags, optionFlagsOf } from './option-flags.ts';

export interface AdministrationFlags {
  readonly data?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** A command on a data folder, whether or not a Bora runs on it: whoever may write the folder may administer it. */
export function administrationCommand(
  parent: Command,
  usage: string,
  description: string,
  example: string,
): Command {
  const command = addOptionFlags(parent.command(usage).description(description), ['data', 'config']);
  return withExample(command.option('--json', 'print JSON only'), example);
}

/** Opens the data folder, made if it is not there: keys are needed before the first start beyond loopback. */
export function openOrMakeFolder(flags: AdministrationFlags): Promise<Administration & AsyncDisposable> {
  return open(folderOf(flags));
}

/** @throws CliError if there is none: a mistyped folder is not made. */
export async function openFolder(flags: AdministrationFlags): Promise<Administration & AsyncDisposable> {
  const folder = folderOf(flags);
  if (!existsSync(join(folder, 'bora.sqlite')))
    throw new CliError(`There is no data folder of Bora at ${folder}.`, {
      exitCode: EXIT.usage,
      whatToDo: 'Name it with --data or BORA_DATA.',
    });
  return open(folder);
}

/** Loaded only here: the server takes longer to load than most commands to run. */
async function open(folder: string): Promise<Administration & AsyncDisposable> {
  const { openAdministration } = await import('@bora/server/data-folder');
  return openAdministration(folder);
}

/** @throws CliError */
export async function workspaceNamed(records: Administration, idOrName: string): Promise<WorkspaceRecord> {
  const workspace = await records.getWorkspace(idOrName);
  if (workspace !== null) return workspace;
  throw new CliError(`There is no workspace ${idOrName}.`, {
    exitCode: EXIT.usage,
    whatToDo: 'See their names with: bora workspaces list',
  });
}

/** How the audit log names whoever runs this command. */
export function commandActor(): Actor {
  return { keyId: null, user: userInfo().username, ip: null };
}

/** Other flags may have names of options too, such as a workspace's limits, and are no configuration. */
export function folderOf({ data, config }: AdministrationFlags): string {
  return readConfig({ env: process.env, flags: optionFlagsOf({ data, config }) }).data;
}
