import type {
  Damage,
  DatabaseRepair,
  InspectedExtent,
  Inspection,
  StoredObjects,
} from '../storage/ports/inspection.ts';
import { BytesInspection } from './inspect-bytes.ts';

export interface InspectionOptions {
  /** Repairs what loses nothing: bytes, names and journal rows that no record needs. */
  readonly repair?: boolean;
  /** Told now and then of the bytes looked at so far, of `total`. */
  readonly onProgress?: (bytes: number, total: number) => void;
}

export interface InspectionReport extends InspectedExtent {
  /** Objects of the blob store. */
  readonly objects: number;
  readonly damages: readonly (Damage & { readonly isRepaired: boolean })[];
}

/**
 * Reads a data folder that nobody writes from end to end, and tells everything in it that is not as it was written or does not agree
 * with the rest. What a killed process left, and the next start clears up, is no damage.
 */
export async function inspectFolder(
  inspection: Inspection,
  objects: StoredObjects,
  { repair = false, onProgress = () => {} }: InspectionOptions,
  signal?: AbortSignal,
): Promise<InspectionReport> {
  const extent = inspection.extent();
  const damages: Damage[] = [...inspection.damages()];
  let read = 0;
  const bytes = new BytesInspection(objects, (more) => onProgress((read += more), extent.bytes));
  for (const file of inspection.files()) {
    for await (const damage of bytes.file(file, signal)) damages.push(damage);
  }
  for (const range of inspection.ranges()) {
    for await (const damage of bytes.range(range, signal)) damages.push(damage);
  }
  let count = 0;
  for await (const { path, name } of objects.list()) {
    signal?.throwIfAborted();
    count += 1;
    if (name !== null && inspection.knows(name)) continue;
    const detail = 'The database does not know it.';
    damages.push({ kind: 'orphan-bytes', subject: path, detail, repair: { kind: 'remove-bytes', path } });
  }
  if (repair) await repairAll(inspection, objects, damages);
  return {
    ...extent,
    objects: count,
    damages: damages.map((damage) => ({ ...damage, isRepaired: repair && damage.repair !== null })),
  };
}

async function repairAll(
  inspection: Inspection,
  objects: StoredObjects,
  damages: readonly Damage[],
): Promise<void> {
  const inDatabase: DatabaseRepair[] = [];
  for (const { repair } of damages) {
    if (repair?.kind === 'remove-bytes') await objects.remove(repair.path);
    else if (repair !== null) inDatabase.push(repair);
  }
  inspection.repair(inDatabase);
}
