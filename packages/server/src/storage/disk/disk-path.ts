import { DiskError } from '../ports/disk.ts';

/**
 * Splits a path of the disk port into its names; `.` is the disk's own folder and has none. The one place where a path
 * is judged, so that every disk, real or simulated, refuses the same ones.
 * @throws DiskError `EINVAL` for a path that is absolute, empty, or has an empty, `.` or `..` name in it.
 */
export function namesOf(path: string, operation: string): string[] {
  if (path === '.') return [];
  const names = path.split('/');
  const sound = names.every((name) => name !== '' && name !== '.' && name !== '..' && !/[\\\0]/.test(name));
  if (!sound) throw new DiskError('EINVAL', path, operation);
  return names;
}
