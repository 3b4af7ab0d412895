import type { InspectionReport } from '@bora/server/files/inspect-folder';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { bytesText, countedText } from '../human-text.ts';
import { Progress } from '../progress.ts';
import type { ServerCall } from '../run-action.ts';
import { renderTable } from '../table.ts';

const MIB = 1024 * 1024;
const COLUMNS = [
  { title: 'damage' },
  { title: 'where' },
  { title: 'what', maxWidth: 160 },
  { title: 'repair' },
] as const;

/** Reads a data folder from end to end, shows how far it is, and lists what is damaged. */
export async function inspectData(
  folder: string,
  repair: boolean,
  { output, signal }: Pick<ServerCall, 'output' | 'signal'>,
): Promise<ExitCode> {
  const { inspectDataFolder } = await import('@bora/server/data-folder');
  const progress = new Progress(process.stderr, () => performance.now());
  let shown = -1;
  const onProgress = (bytes: number, total: number): void => {
    const done = Math.floor(bytes / MIB);
    // Told for each chunk, it would draw more than it reads; and a folder below a MiB is read before it could be looked at.
    if (done === shown || total < MIB) return;
    shown = done;
    progress.show({ done, total: Math.floor(total / MIB), failed: 0, state: 'MiB read', waiting: [] });
  };
  const report = await inspectDataFolder(folder, output.json ? { repair } : { repair, onProgress }, signal);
  if (!output.json) progress.clear();
  const left = report.damages.filter(({ isRepaired }) => !isRepaired).length;
  output.result({ ok: left === 0, ...report }, reportText(folder, report));
  if (report.damages.length > 0) output.say(verdict(report, left));
  return left === 0 ? EXIT.ok : EXIT.checkFailed;
}

function reportText(folder: string, { files, batches, objects, bytes, damages }: InspectionReport): string {
  const extent = [
    countedText(files, 'file'),
    countedText(batches, 'job'),
    countedText(objects, 'object'),
    bytesText(bytes),
  ].join(', ');
  if (damages.length === 0) return `${folder} is sound: ${extent}.`;
  const rows = damages.map(({ kind, subject, detail, repair, isRepaired }) => [
    kind,
    subject,
    detail,
    isRepaired ? 'done' : repair === null ? '' : 'with --repair',
  ]);
  return `${renderTable(COLUMNS, rows)}\n\n${folder}: ${extent}.`;
}

function verdict({ damages }: InspectionReport, left: number): string {
  const found = `${countedText(damages.length, 'damage')} found`;
  if (left === 0) return `\n${found}, all repaired.`;
  const repairable = damages.filter(({ repair, isRepaired }) => repair !== null && !isRepaired).length;
  const lost = left - repairable;
  return [
    `\n${found}, ${left} left.`,
    ...(repairable > 0 ? [`${repairable} of them --repair removes: nothing refers to them.`] : []),
    ...(lost > 0
      ? ['What has no repair lost something: restore the folder from a back-up, or delete what is named.']
      : []),
  ].join('\n');
}
