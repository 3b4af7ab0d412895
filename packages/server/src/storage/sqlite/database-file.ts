import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseRefused } from '../ports/database.ts';

/**
 * The database of a folder in which a Bora worked.
 * @throws DatabaseRefused `data_folder_missing`
 */
export function existingDatabase(folder: string): string {
  const file = join(folder, 'bora.sqlite');
  if (existsSync(file)) return file;
  throw new DatabaseRefused(
    'data_folder_missing',
    `There is no Bora in ${folder}: it has no bora.sqlite. Name the folder that bora serve works in.`,
  );
}
