import { isDiskFull } from '@bora/server/files/storage-failure';
import type { Command } from 'commander';
import { administrationCommand, folderOf } from '../administration.ts';
import type { AdministrationFlags } from '../administration.ts';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytesText, countedText, countText } from '../human-text.ts';
import { Progress } from '../progress.ts';
import { runAction } from '../run-action.ts';
import type { Output } from '../output.ts';
import { stopSignals } from '../stop-signals.ts';

export function addBackupCommand(program: Command): void {
  administrationCommand(
    program,
    'backup',
    'copy a data folder as of now into another folder, also while Bora runs on it',
    'bora backup --data /var/lib/bora /backups/bora',
  )
    .argument(
      '<folder>',
      'where to: empty, not there yet, or with an earlier back-up, which is brought up to date',
    )
    .action((folder: string, flags: AdministrationFlags) =>
      runAction(flags, (output) => backUp(folder, flags, output)),
    );
}

async function backUp(folder: string, flags: AdministrationFlags, output: Output): Promise<ExitCode> {
  const { backUpDataFolder } = await import('@bora/server/data-folder');
  using stop = stopSignals(() => {});
  const progress = new Progress(process.stderr, () => performance.now());
  const onProgress = (done: number, total: number): void =>
    progress.show({ done, total, failed: 0, state: 'objects', waiting: [] });
  const report = await backUpDataFolder(
    folderOf(flags),
    folder,
    output.json ? {} : { onProgress },
    stop.signal,
  ).catch((error: unknown) => {
    throw isDiskFull(error) ? noRoom(folder, error) : error;
  });
  if (!output.json) progress.clear();
  const { objects, copied, copiedBytes } = report;
  output.result(
    { folder, objects, copied, copied_bytes: copiedBytes },
    `Backed up to ${folder}: the database${
      objects === 0
        ? ', which names no objects'
        : ` and ${countedText(objects, 'object')}, ${countText(copied)} of them new (${bytesText(copiedBytes)})`
    }.`,
  );
  return EXIT.ok;
}

function noRoom(folder: string, cause: unknown): CliError {
  return new CliError(
    `No room is left in ${folder}.`,
    {
      exitCode: EXIT.failure,
      why: 'The earlier back-up in it is as it was.',
      whatToDo: 'Make room and run it again: what was copied stays.',
    },
    { cause },
  );
}
