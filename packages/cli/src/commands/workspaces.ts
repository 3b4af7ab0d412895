import { randomUUID } from 'node:crypto';
import { workspaceDetailsView, workspaceView } from '@bora/server/access/views';
import type { WorkspaceChange, WorkspaceLimits } from '@bora/server/storage/ports/workspace-records';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import {
  administrationCommand,
  commandActor,
  openFolder,
  openOrMakeFolder,
  workspaceNamed,
} from '../administration.ts';
import type { AdministrationFlags } from '../administration.ts';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { countText } from '../human-text.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { renderFields, renderTable } from '../table.ts';
import { addLimitFlags, limitsOf, limitsText } from '../workspace-limits.ts';
import type { LimitFlags } from '../workspace-limits.ts';

interface CreateFlags extends AdministrationFlags, LimitFlags {
  readonly weight?: number;
}

interface DisableFlags extends AdministrationFlags {
  readonly reason: string;
}

/** Each works on the data folder itself, whether or not a Bora runs on it. */
export function addWorkspacesCommand(program: Command): void {
  const workspaces = program
    .command('workspaces')
    .description('workspaces of a data folder, also while Bora runs on it');
  const named = (name: string, description: string, example: string): Command =>
    administrationCommand(workspaces, name, description, example).argument('<workspace>', 'name or id');

  addLimitFlags(
    administrationCommand(
      workspaces,
      'create',
      'make a workspace',
      'bora workspaces create search --weight 3',
    ),
  )
    .argument('<name>')
    .option('--weight <n>', 'share of the work beside others; default 1', readWeight)
    .action((name: string, flags: CreateFlags) => runAction(flags, (output) => create(name, flags, output)));

  administrationCommand(workspaces, 'list', 'show all workspaces', 'bora workspaces list').action(
    (flags: AdministrationFlags) => runAction(flags, (output) => list(flags, output)),
  );

  named('show', 'show one, with what it uses of its limits', 'bora workspaces show search').action(
    (workspace: string, flags: AdministrationFlags) =>
      runAction(flags, (output) => show(workspace, flags, output)),
  );

  addLimitFlags(
    named(
      'limits',
      'set its own limits; those not named stay',
      'bora workspaces limits search --max-active-jobs 5',
    ),
  ).action((workspace: string, flags: AdministrationFlags & LimitFlags) =>
    runAction(flags, (output) => change(workspace, { limits: someLimits(flags) }, flags, output)),
  );

  named(
    'weight',
    'set its share of the work: one of weight 3 gets three times what one of weight 1 gets',
    'bora workspaces weight search 3',
  )
    .argument('<weight>', 'from 0.01 to 1000', readWeight)
    .action((workspace: string, weight: number, flags: AdministrationFlags) =>
      runAction(flags, (output) => change(workspace, { weight }, flags, output)),
    );

  named(
    'disable',
    'refuse its keys and send no more of its requests; what is in flight finishes',
    'bora workspaces disable search --reason "Over budget until May."',
  )
    .requiredOption('--reason <text>', 'what its keys are told')
    .action((workspace: string, flags: DisableFlags) =>
      runAction(flags, (output) => change(workspace, { disabled: flags.reason }, flags, output)),
    );

  named('enable', 'take its keys again and go on with its work', 'bora workspaces enable search').action(
    (workspace: string, flags: AdministrationFlags) =>
      runAction(flags, (output) => change(workspace, { disabled: null }, flags, output)),
  );
}

async function create(name: string, flags: CreateFlags, output: Output): Promise<ExitCode> {
  await using records = await openOrMakeFolder(flags);
  const { weight = 1 } = flags;
  const created = await records.createWorkspace(
    { id: randomUUID(), name, weight, limits: limitsOf(flags) },
    commandActor(),
  );
  if (created === null)
    throw new CliError(`There is a workspace ${name} already.`, {
      exitCode: EXIT.usage,
      whatToDo: `Change it with: bora workspaces limits ${name}, or weight ${name}`,
    });
  output.result(workspaceView(created), created.name);
  output.say(`\nMake keys for it with: bora keys create --workspace ${name} --name <what uses it>`);
  return EXIT.ok;
}

async function list(flags: AdministrationFlags, output: Output): Promise<ExitCode> {
  await using records = await openFolder(flags);
  const workspaces = await records.listWorkspaces();
  const rows = workspaces.map(({ name, weight, limits, disabled, createdAt, id }) => [
    name,
    String(weight),
    disabled === null ? 'enabled' : `disabled: ${disabled.reason}`,
    limitsText(limits),
    output.when(createdAt / 1000),
    id,
  ]);
  const columns = ['name', 'weight', 'state', 'own limits', 'created', 'id'].map((title) => ({ title }));
  output.result({ workspaces: workspaces.map(workspaceView) }, renderTable(columns, rows));
  return EXIT.ok;
}

async function show(idOrName: string, flags: AdministrationFlags, output: Output): Promise<ExitCode> {
  await using records = await openFolder(flags);
  const workspace = await workspaceNamed(records, idOrName);
  const usage = (await records.workspaceUsage(workspace.id))!;
  const { name, id, weight, limits, disabled, createdAt } = workspace;
  const fields = [
    ['name', name],
    ['id', id],
    ['created', output.when(createdAt / 1000)],
    ['state', disabled === null ? 'enabled' : `disabled: ${disabled.reason}`],
    ['weight', String(weight)],
    ['pending requests', ofLimit(usage.pendingRequests, limits.maxPendingRequests)],
    ['active jobs', ofLimit(usage.activeJobs, limits.maxActiveJobs)],
    ['files', countText(usage.files)],
    ['stored bytes', ofLimit(usage.storedBytes, limits.maxStoredBytes)],
    ['own limits', limitsText(limits) || 'none'],
  ] as const;
  output.result(workspaceDetailsView(workspace, usage), renderFields(fields));
  return EXIT.ok;
}

async function change(
  idOrName: string,
  wanted: WorkspaceChange,
  flags: AdministrationFlags,
  output: Output,
): Promise<ExitCode> {
  await using records = await openFolder(flags);
  const { id } = await workspaceNamed(records, idOrName);
  const changed = (await records.changeWorkspace(id, wanted, commandActor()))!;
  const state = changed.disabled === null ? 'enabled' : `disabled: ${changed.disabled.reason}`;
  output.result(
    workspaceView(changed),
    `${changed.name}: weight ${changed.weight}, own limits ${limitsText(changed.limits) || 'none'}, ${state}`,
  );
  return EXIT.ok;
}

function someLimits(flags: LimitFlags): Partial<WorkspaceLimits> {
  const limits = limitsOf(flags);
  if (Object.keys(limits).length > 0) return limits;
  throw new CliError('No limit is named.', {
    exitCode: EXIT.usage,
    whatToDo: 'See them with: bora workspaces limits --help',
  });
}

function ofLimit(used: number, limit: number | null): string {
  return limit === null ? countText(used) : `${countText(used)} of ${countText(limit)}`;
}

function readWeight(text: string): number {
  const weight = Number(text);
  if (!(weight >= 0.01 && weight <= 1000))
    throw new InvalidArgumentError('It must be a number from 0.01 to 1000.');
  return weight;
}
