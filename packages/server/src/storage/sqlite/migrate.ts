import { readdirSync, readFileSync } from 'node:fs';
import type { Database as Sqlite } from 'better-sqlite3';
import { DatabaseRefused } from '../ports/database.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

function migrations(): string[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();
}

/**
 * For who reads a database without bringing it to this schema.
 * @throws DatabaseRefused `data_folder_newer`, `data_folder_older`
 */
export function refuseOtherSchema(db: Sqlite): void {
  const known = migrations().length;
  const version = versionOf(db);
  refuseNewer(version, known);
  if (version === known) return;
  throw new DatabaseRefused(
    'data_folder_older',
    `The data folder was written by an older Bora (schema ${version}, this one writes ${known}). ` +
      'Use that version, or start this one on the folder once, which brings it up to date.',
  );
}

function refuseNewer(version: number, known: number): void {
  if (version <= known) return;
  throw new DatabaseRefused(
    'data_folder_newer',
    `The data folder was written by a newer Bora (schema ${version}, this one knows ${known}). ` +
      'Start the newer version, or restore a back-up made with this one.',
  );
}

/**
 * Brings a database to this program's schema. Migrations are numbered, go forward only, and each is one transaction
 * with its version number.
 * @throws DatabaseRefused `data_folder_newer` if a newer Bora wrote it: going on would misread it.
 */
export function migrate(db: Sqlite): void {
  const files = migrations();
  refuseNewer(versionOf(db), files.length);
  for (const [place, file] of files.entries()) {
    db.transaction(() => {
      // Read again inside: another process may have migrated while this one waited to begin.
      if (versionOf(db) > place) return;
      db.exec(readFileSync(new URL(file, FOLDER), 'utf8'));
      db.pragma(`user_version = ${place + 1}`);
    }).immediate();
  }
}

function versionOf(db: Sqlite): number {
  return Number(db.pragma('user_version', { simple: true }));
}
