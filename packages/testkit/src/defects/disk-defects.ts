import type { Disk } from '@bora/server/storage/ports/disk';

/** Plants a defect: files are reported as synced without being so. A crash suite that passes over this disk is no good. */
export function skipFileSync(disk: Disk): Disk {
  return skipSyncsAfter(0, disk);
}

/** Plants a defect: every file but the first is reported as synced without being so. */
export function skipLaterFileSyncs(disk: Disk): Disk {
  return skipSyncsAfter(1, disk);
}

function skipSyncsAfter(files: number, disk: Disk): Disk {
  let created = 0;
  return {
    ...passThrough(disk),
    create: async (path) => {
      const writer = await disk.create(path);
      if (++created <= files) return writer;
      return {
        write: (chunk) => writer.write(chunk),
        sync: async () => {},
        close: () => writer.close(),
      };
    },
  };
}

/** Plants a defect: folders are reported as synced without being so. */
export function skipFolderSync(disk: Disk): Disk {
  return { ...passThrough(disk), syncFolder: async () => {} };
}

function passThrough(disk: Disk): Disk {
  return {
    create: (path) => disk.create(path),
    open: (path) => disk.open(path),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    makeFolder: (path) => disk.makeFolder(path),
    syncFolder: (path) => disk.syncFolder(path),
    list: (path) => disk.list(path),
    freeBytes: () => disk.freeBytes(),
  };
}
