/** What strace is to write down for `checkCalls`. */
export const STRACE = ['-f', '-D', '-y', '-qq', '-s', '0'];
export const TRACED =
  'trace=openat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fsync,fdatasync,rename,renameat,renameat2';

const OWN_FILES = /^((bora|lock)\.sqlite(-wal|-shm|-journal)?|blobs\/writing\/[\w-]+)$/;
const LOG = 'bora.sqlite-wal';

export interface CallReport {
  readonly violations: readonly string[];
  /** Commits that were synced before anybody was told of them. */
  readonly commits: number;
  /** Objects that were synced, renamed, and their folder synced. */
  readonly objects: number;
  /** Syncs that failed. */
  readonly failures: number;
}

interface Call {
  readonly thread: string;
  readonly name: string;
  /** Paths in the data folder, relative to it, in the order of the arguments. */
  readonly paths: readonly string[];
  readonly isReply: boolean;
  readonly hasFailed: boolean;
}

/**
 * Holds the system calls of a Bora, as strace saw them, to what its guarantees stand on:
 * - nothing in the data folder is written but SQLite's files and unfinished blobs
 * - the database's thread tells nobody anything while its log is not synced
 * - a blob gets its name once its bytes are synced, and the folder of the name is synced after it
 * - what could not be synced is given up: a blob gets no name, the database is opened anew before it writes again
 */
export function checkCalls(lines: Iterable<string>, dataFolder: string): CallReport {
  const violations: string[] = [];
  const dirty = new Set<string>();
  const failed = new Set<string>();
  const renamed = new Map<string, number>();
  let commits = 0;
  let objects = 0;
  let failures = 0;
  let databaseThread = '';
  for (const { thread, name, paths, isReply, hasFailed } of callsOf(lines, dataFolder)) {
    const [path = '', target = ''] = paths;
    if (isReply && thread === databaseThread && dirty.has(LOG) && !failed.has(LOG)) {
      violations.push('The thread of the database answered while its log was not synced.');
    }
    if (path === '') continue;
    if (name === 'openat') {
      if (path === 'bora.sqlite') {
        failed.delete(LOG);
        dirty.delete(LOG);
      }
    } else if (name.endsWith('sync')) {
      if (hasFailed) {
        failures += 1;
        failed.add(path);
      } else {
        if (path === LOG && dirty.has(LOG)) commits += 1;
        objects += renamed.get(path) ?? 0;
        renamed.delete(path);
        dirty.delete(path);
      }
    } else if (name.startsWith('rename')) {
      if (dirty.has(path)) violations.push(`${path} got its name before it was synced.`);
      if (failed.has(path)) violations.push(`${path} got its name although it could not be synced.`);
      const folder = target.slice(0, target.lastIndexOf('/'));
      renamed.set(folder, (renamed.get(folder) ?? 0) + 1);
    } else {
      if (!OWN_FILES.test(path)) violations.push(`${path} was written, past the disk port.`);
      if (path === LOG) databaseThread = thread;
      if (path === LOG && failed.has(LOG)) {
        violations.push('The database wrote on behind a sync that failed.');
      }
      dirty.add(path);
    }
  }
  for (const [folder] of renamed) {
    if (!failed.has(folder)) violations.push(`${folder} was not synced after a name was put into it.`);
  }
  return { violations: [...new Set(violations)], commits, objects, failures };
}

/** Calls in the order in which they ended; strace breaks a call in two where another came between. */
function* callsOf(lines: Iterable<string>, dataFolder: string): Generator<Call> {
  const begun = new Map<string, string>();
  for (const line of lines) {
    const [, thread = '', rest = ''] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, rest);
      continue;
    }
    const whole = rest.startsWith('<...') ? `${begun.get(thread) ?? ''} ${rest}` : rest;
    const name = /^(\w+)\(/.exec(whole)?.[1];
    if (name === undefined) continue;
    const paths = [...whole.matchAll(/[<"]([^<>"]+)[>"]/g)].flatMap(([, path = '']) =>
      path === dataFolder
        ? ['.']
        : path.startsWith(`${dataFolder}/`)
          ? [path.slice(dataFolder.length + 1)]
          : [],
    );
    const isReply = name === 'write' && whole.includes('[eventfd]');
    yield { thread, name, paths, isReply, hasFailed: / = -1 /.test(whole) };
  }
}
