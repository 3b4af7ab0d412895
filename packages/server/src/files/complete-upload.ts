import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { Actor } from '../storage/ports/audit-records.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import { BlobNotWritten } from '../storage/ports/file-records.ts';
import type {
  UploadCompletion,
  UploadPart,
  UploadRecord,
  UploadRecords,
} from '../storage/ports/upload-records.ts';
import type { BlobNamePool } from './blob-names.ts';
import type { IndexThread } from './index-thread.ts';
import type { SettledUpload } from './ingest.ts';
import { checkLines, passKind, writeCuts } from './ingest.ts';
import { UnknownPart, WrongContent } from './upload-errors.ts';
import { BlobOutput } from './write-blob.ts';

/** Small ones come with their bytes, of which a page has at most a mebibyte. */
const PARTS_PER_PAGE = 16;

export interface CompleteUploadDependencies {
  readonly database: Pick<UploadRecords, 'readUploadParts' | 'completeUpload'>;
  readonly blobs: Pick<BlobStore, 'create' | 'read'>;
  /** Names of blobs that `session` writes. */
  readonly names: BlobNamePool;
  readonly session: string;
  readonly indexer: IndexThread;
  readonly reachStopPoint: ReachStopPoint;
}

export interface CompleteUploadOptions {
  /** What the content must have, in lower-case hex; null: any. */
  readonly md5: string | null;
  readonly maxLines: number;
  /** As `IngestOptions.maxLineBytes`. */
  readonly maxLineBytes: number;
  /** Passes the content on while there is memory for its lines. */
  readonly holdLines: (content: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  readonly by: Actor;
}

/**
 * Makes the file of an upload: reads its parts once, in the order given, for their MD5 and the line index, and then names them as the
 * file's in one transaction. Nothing is copied. Measured: 8 GiB of lines of 1.1 KB in 40 s on two busy cores, in memory that does not grow
 * with the file. Answers the upload as it is afterwards, which is another's work if that was quicker.
 * @throws UnknownPart, WrongContent, TooManyLines, IndexMemoryFull: the upload stays pending.
 */
export async function completeUpload(
  deps: CompleteUploadDependencies,
  upload: UploadRecord,
  partIds: readonly string[],
  { facts, check }: SettledUpload,
  { md5, maxLines, maxLineBytes, holdLines, by }: CompleteUploadOptions,
  signal?: AbortSignal,
): Promise<UploadRecord | null> {
  await checkBytes(deps, upload, partIds);
  const cuts = new BlobOutput(deps);
  const pass = deps.indexer.open(passKind(facts, check), maxLineBytes);
  try {
    const content = contentOf(deps, upload.id, partIds, signal);
    for await (const chunk of check === 'no-index' ? content : holdLines(content)) {
      await pass.push(chunk);
      await writeCuts(pass, cuts);
    }
    const result = await pass.finish();
    await writeCuts(pass, cuts);
    if (md5 !== null && md5 !== result.md5) {
      throw new WrongContent(`The parts have the MD5 ${result.md5} in this order, not ${md5}.`);
    }
    checkLines(result, check, maxLines);
    if (result.index !== null) await cuts.write(result.index.cuts);
    const file: UploadCompletion['file'] = {
      ...facts,
      bytes: upload.bytes,
      numLines: result.lines,
      signature: result.md5,
      lineIndex: result.index?.summary ?? null,
      cuts: await cuts.finish(),
      references: result.index?.references ?? [],
    };
    await deps.reachStopPoint('upload.durable');
    signal?.throwIfAborted();
    return await complete(deps, { workspaceId: upload.workspaceId, uploadId: upload.id, partIds, file }, by);
  } finally {
    // Cuts that the file owns by now stay.
    await cuts.abandon();
    pass.drop();
  }
}

/** Before a byte is read: what cannot be the file is refused at once. */
async function checkBytes(
  deps: CompleteUploadDependencies,
  { id, bytes }: UploadRecord,
  partIds: readonly string[],
): Promise<void> {
  let sum = 0;
  for await (const { blob } of partsOf(deps, id, partIds)) {
    sum += blob.kind === 'inline' ? blob.bytes.byteLength : blob.length;
  }
  if (sum !== bytes) throw new WrongContent(`The parts have ${sum} bytes, but the upload is of ${bytes}.`);
}

async function* contentOf(
  deps: CompleteUploadDependencies,
  uploadId: string,
  partIds: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const { blob } of partsOf(deps, uploadId, partIds)) {
    if (blob.kind === 'inline') yield blob.bytes;
    else yield* deps.blobs.read(blob.name, blob.offset, blob.offset + blob.length, signal);
  }
}

async function* partsOf(
  { database }: CompleteUploadDependencies,
  uploadId: string,
  partIds: readonly string[],
): AsyncGenerator<UploadPart> {
  for (let at = 0; at < partIds.length; at += PARTS_PER_PAGE) {
    const asked = partIds.slice(at, at + PARTS_PER_PAGE);
    const parts = await database.readUploadParts(uploadId, asked);
    const unknown = asked.find((id, place) => parts[place]?.id !== id);
    if (unknown !== undefined) throw new UnknownPart(unknown);
    yield* parts;
  }
}

/** A rejection does not say whether the upload was completed; asking once more does. */
async function complete(
  { database, session }: CompleteUploadDependencies,
  completion: UploadCompletion,
  by: Actor,
): Promise<UploadRecord | null> {
  try {
    return await database.completeUpload(completion, session, by);
  } catch (error) {
    if (error instanceof DatabaseRefused || error instanceof BlobNotWritten) throw error;
    return database.completeUpload(completion, session, by);
  }
}
