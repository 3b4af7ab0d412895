import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobRef, BlobStore } from '../storage/ports/blobs.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import { BlobNotWritten, WorkspaceFull } from '../storage/ports/file-records.ts';
import type {
  AddedPart,
  NewUploadPart,
  UploadPartLimits,
  UploadRecords,
} from '../storage/ports/upload-records.ts';
import type { BlobNamePool } from './blob-names.ts';
import { inLargerChunks } from './larger-chunks.ts';
import { PartTooLarge } from './upload-errors.ts';
import { BlobOutput } from './write-blob.ts';

export interface StorePartDependencies {
  readonly database: Pick<UploadRecords, 'addUploadPart'>;
  readonly blobs: Pick<BlobStore, 'create'>;
  /** Names of blobs that `session` writes. */
  readonly names: BlobNamePool;
  readonly session: string;
  readonly reachStopPoint: ReachStopPoint;
}

export interface StorePartOptions extends UploadPartLimits {
  readonly maxPartBytes: number;
}

const NOTHING: BlobRef = { kind: 'inline', bytes: new Uint8Array(0) };

/**
 * Adds a part to an upload as it streams in, in constant memory. Once it resolves with `added` the part survives power loss. Otherwise,
 * and if it rejects, nothing is left but a released name. Whoever aborts `signal` should end `source` as well.
 * @throws PartTooLarge, WorkspaceFull
 */
export async function storePart(
  deps: StorePartDependencies,
  part: Omit<NewUploadPart, 'blob'>,
  source: AsyncIterable<Uint8Array>,
  { maxPartBytes, ...limits }: StorePartOptions,
  signal?: AbortSignal,
): Promise<AddedPart> {
  const content = new BlobOutput(deps);
  try {
    let bytes = 0;
    for await (const chunk of inLargerChunks(source)) {
      signal?.throwIfAborted();
      bytes += chunk.byteLength;
      if (bytes > maxPartBytes) throw new PartTooLarge(maxPartBytes);
      await content.write(chunk);
    }
    await deps.reachStopPoint('upload.written');
    const blob = (await content.finish()) ?? NOTHING;
    await deps.reachStopPoint('upload.durable');
    signal?.throwIfAborted();
    const added = await addPart(deps, { ...part, blob }, limits);
    if (added.kind !== 'added') await content.abandon();
    return added;
  } catch (error) {
    await content.abandon();
    throw error;
  }
}

/** A rejection does not say whether the part was added; asking once more does. */
async function addPart(
  { database, session }: StorePartDependencies,
  part: NewUploadPart,
  limits: UploadPartLimits,
): Promise<AddedPart> {
  try {
    return await database.addUploadPart(part, session, limits);
  } catch (error) {
    const isRefusal = [DatabaseRefused, BlobNotWritten, WorkspaceFull].some((kind) => error instanceof kind);
    if (isRefusal) throw error;
    return database.addUploadPart(part, session, limits);
  }
}
