import SqliteDatabase from 'better-sqlite3';
import { DatabaseRefused } from '../ports/database.ts';

/**
 * Holds a data folder for one process: an exclusive transaction held open on a small SQLite file of its own, which ends with
 * the process however it dies. In WAL mode others can still read the last commit, which says who holds it.
 * @throws DatabaseRefused `data_folder_in_use`.
 */
export function lockFolder(file: string, now: number): Disposable {
  const db = new SqliteDatabase(file, { timeout: 0 });
  try {
    db.pragma('journal_mode = WAL');
    db.exec('BEGIN IMMEDIATE');
    db.exec('CREATE TABLE IF NOT EXISTS holder (pid INTEGER NOT NULL, since INTEGER NOT NULL) STRICT');
    db.exec('DELETE FROM holder');
    db.prepare('INSERT INTO holder (pid, since) VALUES (?, ?)').run(process.pid, now);
    db.exec('COMMIT');
    db.exec('BEGIN IMMEDIATE');
  } catch (error) {
    if (!isBusy(error)) throw error;
    const holder = readHolder(db);
    db.close();
    throw new DatabaseRefused(
      'data_folder_in_use',
      `The data folder is in use by another Bora${holder}. One process holds a folder; stop that one first, ` +
        'or give this one a folder of its own (BORA_DATA).',
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => db.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof SqliteDatabase.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function readHolder(db: SqliteDatabase.Database): string {
  try {
    const row = db.prepare('SELECT pid, since FROM holder').get() as
      | { pid: number; since: number }
      | undefined;
    return row === undefined ? '' : ` (process ${row.pid}, since ${new Date(row.since).toISOString()})`;
  } catch {
    return '';
  }
}

/** A process that holds a data folder. */
export interface FolderHolder {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/**
 * Who holds the folder of a lock file that is there; null if nobody does. It asks by taking the lock for a moment, so a Bora that
 * starts in that very moment is refused.
 */
export function findFolderHolder(file: string): FolderHolder | null {
  const db = new SqliteDatabase(file, { timeout: 0, fileMustExist: true });
  try {
    db.exec('BEGIN IMMEDIATE');
    db.exec('ROLLBACK');
    return null;
  } catch (error) {
    if (!isBusy(error)) throw error;
    return (db.prepare('SELECT pid, since FROM holder').get() as FolderHolder | undefined) ?? null;
  } finally {
    db.close();
  }
}
