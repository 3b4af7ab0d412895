import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase from 'better-sqlite3';
import { DatabaseRefused } from '../ports/database.ts';
import { existingDatabase } from './database-file.ts';
import { lockFolder } from './folder-lock.ts';

/** Tells a back-up from a folder that somebody works in. */
const MARKER = 'backup.json';
const SNAPSHOT = 'bora.sqlite.unfinished';

/** A folder with a back-up: what a data folder holds, as of one moment. Held while it is open, so that no Bora starts on it. */
export class BackupFolder implements Disposable {
  readonly #folder: string;
  readonly #lock: Disposable;

  private constructor(folder: string, lock: Disposable) {
    this.#folder = folder;
    this.#lock = lock;
  }

  /**
   * Opens an earlier back-up, or makes the folder.
   * @throws DatabaseRefused `backup_folder_taken`, `data_folder_in_use`
   */
  static open(folder: string, now: number): BackupFolder {
    mkdirSync(folder, { recursive: true });
    const entries = readdirSync(folder);
    if (entries.length > 0 && !entries.includes(MARKER)) {
      throw new DatabaseRefused(
        'backup_folder_taken',
        `${folder} holds something else than a back-up of Bora. Name a folder that is empty, or not there yet.`,
      );
    }
    const backup = new BackupFolder(folder, lockFolder(join(folder, 'lock.sqlite'), now));
    if (entries.length === 0) backup.#mark({ taken_at: null });
    return backup;
  }

  /**
   * Writes down the database of `dataFolder` as of now, while a Bora goes on writing it. Answers the objects whose bytes it needs.
   * @throws DatabaseRefused `data_folder_missing`
   */
  takeSnapshot(dataFolder: string): string[] {
    rmSync(this.#path(SNAPSHOT), { force: true });
    using source = new OpenDatabase(existingDatabase(dataFolder));
    source.db.prepare('VACUUM INTO ?').run(this.#path(SNAPSHOT));
    // SQLite does not sync it.
    this.#sync(SNAPSHOT);
    using snapshot = new OpenDatabase(this.#path(SNAPSHOT));
    return snapshot.db.prepare(`SELECT name FROM blob_name WHERE state = 'owned'`).pluck().all() as string[];
  }

  /** From now on this is the back-up; to be called once all its objects are durable. `takenAt` is when its snapshot was. */
  keepSnapshot(takenAt: number): void {
    // Left by whoever looked into the earlier one. SQLite would take its log for that of the new one.
    for (const ending of ['-wal', '-shm']) rmSync(this.#path(`bora.sqlite${ending}`), { force: true });
    renameSync(this.#path(SNAPSHOT), this.#path('bora.sqlite'));
    this.#sync('.');
    this.#mark({ taken_at: new Date(takenAt).toISOString() });
  }

  [Symbol.dispose](): void {
    this.#lock[Symbol.dispose]();
  }

  #mark(content: object): void {
    writeFileSync(this.#path(MARKER), `${JSON.stringify(content)}\n`);
  }

  #sync(name: string): void {
    const file = openSync(this.#path(name), 'r');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

class OpenDatabase implements Disposable {
  readonly db: SqliteDatabase.Database;

  constructor(file: string) {
    this.db = new SqliteDatabase(file, { fileMustExist: true });
  }

  [Symbol.dispose](): void {
    this.db.close();
  }
}
