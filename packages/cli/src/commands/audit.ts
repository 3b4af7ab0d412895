import { auditView } from '@bora/server/access/views';
import { AUDIT_ACTIONS } from '@bora/server/storage/ports/audit-records';
import type { AuditAction } from '@bora/server/storage/ports/audit-records';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { administrationCommand, openFolder, workspaceNamed } from '../administration.ts';
import type { AdministrationFlags } from '../administration.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { momentText } from '../human-text.ts';
import { readPast } from '../moments.ts';
import type { Output } from '../output.ts';
import { runAction } from '../run-action.ts';
import { renderTable } from '../table.ts';

interface AuditFlags extends AdministrationFlags {
  readonly from?: (now: number) => number;
  readonly to?: (now: number) => number;
  readonly action?: readonly AuditAction[];
  readonly workspace?: string;
  readonly subject?: string;
  readonly limit: number;
  readonly before?: number;
}

type Entry = ReturnType<typeof auditView>;

export function addAuditCommand(program: Command): void {
  administrationCommand(
    program,
    'audit',
    'who changed what in a data folder, newest first',
    'bora audit --from 7d --action file.delete',
  )
    .option('--from <when>', 'that moment or later: a date, or 12h or 7d ago', readPast)
    .option('--to <when>', 'before that moment', readPast)
    .option('--action <list>', `any of ${AUDIT_ACTIONS.join(', ')}`, readActions)
    .option('--workspace <workspace>', 'name or id')
    .option('--subject <id>', 'of a file, job, key or workspace')
    .option('--limit <n>', 'most entries shown', readCount, 50)
    .option('--before <id>', 'entries older than this one, for the next page', readCount)
    .action((flags: AuditFlags) => runAction(flags, (output) => audit(flags, output)));
}

async function audit(flags: AuditFlags, output: Output): Promise<ExitCode> {
  await using records = await openFolder(flags);
  const now = Date.now();
  const { before, action, workspace, subject, limit } = flags;
  const { entries, next } = await records.readAudit({
    pageSize: limit,
    ...(before === undefined ? {} : { before }),
    ...(flags.from === undefined ? {} : { from: flags.from(now) }),
    ...(flags.to === undefined ? {} : { to: flags.to(now) }),
    ...(action === undefined ? {} : { actions: action }),
    ...(workspace === undefined ? {} : { workspaceId: (await workspaceNamed(records, workspace)).id }),
    ...(subject === undefined ? {} : { subjectId: subject }),
  });
  const shown = entries.map(auditView);
  const columns = [
    { title: 'time' },
    { title: 'action' },
    { title: 'workspace' },
    { title: 'by' },
    { title: 'from' },
    { title: 'subject' },
    { title: 'detail', maxWidth: 80 },
  ];
  const none = 'No entry matches.';
  output.result({ entries: shown, next }, shown.length === 0 ? none : renderTable(columns, shown.map(row)));
  if (next !== null) output.say(`\nOlder ones: --before ${next}`);
  return EXIT.ok;
}

function row(entry: Entry): string[] {
  return [
    momentText(entry.at),
    entry.action,
    entry.workspace,
    entry.user ?? (entry.key_id === null ? '' : `key ${entry.key_id}`),
    entry.ip ?? '',
    entry.subject_id,
    detailText(entry.detail),
  ];
}

function detailText(detail: Entry['detail']): string {
  const members = Object.entries(detail ?? {}).filter(([, value]) => value !== null);
  return members.map(([name, value]) => `${name}=${String(value)}`).join(' ');
}

function readActions(text: string): AuditAction[] {
  return text.split(',').map((word) => {
    const action = AUDIT_ACTIONS.find((known) => known === word.trim());
    if (action === undefined) throw new InvalidArgumentError(`Known are ${AUDIT_ACTIONS.join(', ')}.`);
    return action;
  });
}

function readCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return count;
}
