/**
 * The narrow port through which every blob byte reaches a disk.
 *
 * It exists so that a simulated disk can stand behind it: one that drops unsynced writes, runs out of
 * space, or fails an fsync. Nothing in Bora writes files past it, except SQLite, which writes its own.
 *
 * Paths are relative to the folder the disk was opened on, use `/`, and never contain `..`; `.` is that folder itself.
 * Any other path is refused with `EINVAL`.
 * Every method rejects with a `DiskError` whose `code` is the errno name (`ENOENT`, `ENOSPC`, `EIO`, ...).
 */
export interface Disk {
  /** Creates a file for writing. Rejects with `EEXIST` if the path is taken. Nothing is durable yet. */
  create(path: string): Promise<DiskWriter>;

  /** Opens a file for positioned reads. Rejects with `ENOENT`. */
  open(path: string): Promise<DiskReader>;

  /** Renames a file, replacing the target. Visible at once; durable only after `syncFolder` of the target's folder. */
  rename(from: string, to: string): Promise<void>;

  /** Removes a file. A file that is not there is not an error: collection deletes twice on purpose. */
  remove(path: string): Promise<void>;

  /** Makes a folder and its parents. Durable only after `syncFolder` of the parent. */
  makeFolder(path: string): Promise<void>;

  /** Makes names created, renamed or removed in a folder durable. A rejection means that nothing is known. */
  syncFolder(path: string): Promise<void>;

  /** Names (not paths) of the entries of a folder, in no order. */
  list(path: string): Promise<string[]>;

  /** Bytes that an unprivileged process may still write. */
  freeBytes(): Promise<number>;
}

export interface DiskWriter {
  /**
   * Appends the whole chunk, or rejects; a rejected write may have written a part.
   * The caller must not change the chunk until the promise settles.
   */
  write(chunk: Uint8Array): Promise<void>;

  /**
   * Makes the bytes written so far durable. After a rejection the file must be abandoned: a second sync
   * may succeed although the kernel has dropped the dirty pages, so it proves nothing.
   */
  sync(): Promise<void>;

  /** Closes, once calls under way have ended; idempotent. Does not sync. */
  close(): Promise<void>;
}

export interface DiskReader {
  /** Size in bytes when opened. */
  readonly size: number;

  /** Reads up to `length` bytes at `position`; shorter only at the end of the file. */
  read(position: number, length: number): Promise<Uint8Array>;

  /** Closes; idempotent. */
  close(): Promise<void>;
}

/** A failure of the disk itself. `code` is the errno name, so callers can tell a full disk from a broken one. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: string;
  readonly path: string;

  constructor(code: string, path: string, operation: string, options?: ErrorOptions) {
    super(`${operation} ${path}: ${code}`, options);
    this.code = code;
    this.path = path;
  }
}
