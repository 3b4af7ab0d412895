import { readdirSync, readFileSync } from 'node:fs';
import type { Database as Sqlite } from 'better-sqlite3';
import { DatabaseRefused } from '../ports/database.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * Brings a database to this program's schema. Migrations are numbered, go forward only, and each is one transaction
 * with its version number.
 * @throws DatabaseRefused `data_folder_newer` if a newer Bora wrote it: going on would misread it.
 */
export function migrate(db: Sqlite): void {
  const files = readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .toSorted();
  const version = versionOf(db);
  if (version > files.length) {
    throw new DatabaseRefused(
      'data_folder_newer',
      `The data folder was written by a newer Bora (schema ${version}, this one knows ${files.length}). ` +
        'Start the newer version, or restore a back-up made with this one.',
    );
  }
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
