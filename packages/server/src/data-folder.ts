import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { CopyOptions, CopyReport } from './files/copy-objects.ts';
import { copyObjects, removeOtherObjects } from './files/copy-objects.ts';
import type { InspectionOptions, InspectionReport } from './files/inspect-folder.ts';
import { inspectFolder } from './files/inspect-folder.ts';
import { systemClock } from './observe/clock.ts';
import { openDiskBlobStore } from './storage/disk/disk-blob-store.ts';
import { DiskObjects } from './storage/disk/disk-objects.ts';
import { openSystemDisk } from './storage/disk/system-disk.ts';
import type { AccessRecords } from './storage/ports/access-records.ts';
import type { AuditRecords } from './storage/ports/audit-records.ts';
import type { WorkspaceRecords } from './storage/ports/workspace-records.ts';
import { BackupFolder } from './storage/sqlite/backup-folder.ts';
import { findFolderHolder } from './storage/sqlite/folder-lock.ts';
import type { FolderHolder } from './storage/sqlite/folder-lock.ts';
import { openSqliteDatabase } from './storage/sqlite/open-sqlite-database.ts';
import { openSqliteInspection } from './storage/sqlite/sqlite-inspection.ts';

/** What `bora keys`, `bora workspaces` and `bora audit` work on. */
export type Administration = AccessRecords & WorkspaceRecords & AuditRecords;

/**
 * Keys, workspaces and the audit log of a data folder, also while a Bora runs on it, which sees what changes at once. Close it soon.
 * @throws DatabaseRefused if a newer Bora wrote the folder
 */
export function openAdministration(dataFolder: string): Promise<Administration & AsyncDisposable> {
  return openSqliteDatabase({ folder: dataFolder, clock: systemClock, lock: false });
}

/**
 * Reads a data folder on which no Bora runs from end to end, and tells what is damaged. It holds the folder meanwhile.
 * @throws DatabaseRefused if there is no Bora in it, another process holds it, or another version wrote it
 */
export async function inspectDataFolder(
  dataFolder: string,
  options: InspectionOptions = {},
  signal?: AbortSignal,
): Promise<InspectionReport> {
  using inspection = openSqliteInspection(dataFolder, systemClock.now());
  const objects = new DiskObjects(await openSystemDisk(join(dataFolder, 'blobs')));
  return await inspectFolder(inspection, objects, options, signal);
}

/**
 * Backs a data folder up into another folder, also while a Bora runs on it: first the database as of one moment, then the objects that
 * it names, of which only those are copied that an earlier back-up in `target` does not have. Until it resolves the earlier one stays
 * whole. What was deleted since that moment still has its bytes for an hour, and the copy must not take longer.
 * @throws DatabaseRefused `data_folder_missing`, `backup_folder_taken`, `backup_incomplete`; `data_folder_in_use` if a Bora runs on the
 * back-up
 */
export async function backUpDataFolder(
  dataFolder: string,
  target: string,
  options: CopyOptions = {},
  signal?: AbortSignal,
): Promise<CopyReport> {
  using backup = BackupFolder.open(target, systemClock.now());
  const takenAt = systemClock.now();
  const names = backup.takeSnapshot(dataFolder);
  const from = new DiskObjects(await openSystemDisk(join(dataFolder, 'blobs')));
  const disk = await openSystemDisk(join(target, 'blobs'));
  const objects = new DiskObjects(disk);
  const blobs = await openDiskBlobStore(disk, { minFreeBytes: 0 });
  const report = await copyObjects(names, from, { blobs, objects }, options, signal);
  backup.keepSnapshot(takenAt);
  await removeOtherObjects(names, objects);
  return report;
}

/** The process that holds a data folder, also for a folder that is not there; null if nobody does. */
export function dataFolderHolder(dataFolder: string): FolderHolder | null {
  const file = join(dataFolder, 'lock.sqlite');
  return existsSync(file) ? findFolderHolder(file) : null;
}
