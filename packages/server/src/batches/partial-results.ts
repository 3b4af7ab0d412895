import { FileContentMissing, readFileRange } from '../files/content.ts';
import { readBlob } from '../files/read-blob.ts';
import type { BlobSlice, BlobStore } from '../storage/ports/blobs.ts';
import type { FileRecord, FileRecords } from '../storage/ports/file-records.ts';
import type { JournaledLine, ResultPages, ResultPlace } from '../storage/ports/result-pages.ts';
import { FIRST_PLACE } from '../storage/ports/result-pages.ts';
import type { ResultPart } from '../storage/ports/shard-queue.ts';
import { HEAD_BYTES, ordinalOfHead, UnreadLines } from './unread-lines.ts';

/** Of lines of open shards, what a reader holds. No line that is journaled without an object of its own is longer. */
const PAGE_BYTES = 256 * 1024;

export interface PartialResultSources {
  readonly database: Pick<ResultPages & FileRecords, 'readResults' | 'readManifest' | 'getFile'>;
  readonly blobs: Pick<BlobStore, 'read'>;
}

export interface ReadBatch {
  readonly workspaceId: string;
  readonly id: string;
}

/** The batch was deleted, or the file in which its results lay, while somebody read them. */
export class ResultsGone extends Error {
  override readonly name = 'ResultsGone';

  constructor(batchId: string) {
    super(`The results of batch ${batchId} were deleted while they were read.`);
  }
}

/**
 * The result lines of a batch that are there so far, in input order, each byte for byte as its result file will have it: all that were
 * journaled before the call, and such as come while it reads, where it has not passed their places yet. Once the batch has ended, all of them.
 *
 * It holds one page, and no transaction between two. Where a shard is committed or the batch finalised meanwhile, it goes on behind the last
 * line that it gave. Where the batch or its result file is deleted it throws, at its next page or when the bytes go, an hour later.
 * @throws ResultsGone
 * @throws FileContentMissing
 * @throws BlobMissingError
 */
export async function* readPartialResults(
  sources: PartialResultSources,
  batch: ReadBatch,
  kind: ResultPart['kind'],
  mostBytes = PAGE_BYTES,
): AsyncGenerator<Uint8Array> {
  const { database, blobs } = sources;
  const unread = new UnreadLines();
  let from: ResultPlace = FIRST_PLACE;
  for (;;) {
    const asked = { kind, from: { ...from, ordinal: unread.next }, mostBytes };
    const page = await database.readResults(batch.workspaceId, batch.id, asked);
    if (page === null) throw new ResultsGone(batch.id);
    if (page.kind === 'caught-up') return;
    if (page.kind === 'ended') {
      if (page.fileId !== null) yield* linesOfFile(sources, batch, page.fileId, unread);
      return;
    }
    if (page.kind === 'journaled') {
      yield* linesOfJournal(blobs, page.lines);
      unread.next = page.next.ordinal;
    } else {
      for await (const chunk of chunksOf(blobs, page.blob)) yield* unread.push(chunk);
    }
    from = page.next;
  }
}

/**
 * Lines are read before the first of them is given: an object of folded ones is deleted an hour after its shard is committed, and how long the
 * reader takes is its own. A line too long for that has an object which becomes part of the results.
 */
async function* linesOfJournal(
  blobs: PartialResultSources['blobs'],
  lines: readonly JournaledLine[],
): AsyncGenerator<Uint8Array> {
  if (lines.length === 1) {
    yield* chunksOf(blobs, lines[0].line);
    return;
  }
  const read: Uint8Array[] = [];
  for (const { line } of lines) read.push(await readBlob(blobs, line));
  if (read.length > 0) yield Buffer.concat(read);
}

async function* linesOfFile(
  sources: PartialResultSources,
  { workspaceId, id }: ReadBatch,
  fileId: string,
  unread: UnreadLines,
): AsyncGenerator<Uint8Array> {
  const file = await sources.database.getFile(workspaceId, fileId, null);
  if (file === null) throw new ResultsGone(id);
  const start = unread.next === 0 ? 0 : await findPart(sources, file, unread.next);
  for await (const chunk of readFileRange(sources, fileId, start, file.bytes)) yield* unread.push(chunk);
}

/** Where the last part begins that has no line behind `ordinal` first: what is unread is in it or behind. The parts are in input order. */
async function findPart(
  { database, blobs }: PartialResultSources,
  file: FileRecord,
  ordinal: number,
): Promise<number> {
  let found = 0;
  let low = 0;
  let high = file.bytes;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [part] = await database.readManifest(file.id, middle, 1);
    if (part === undefined) throw new FileContentMissing(file.id, middle);
    if (ordinalOfHead(await headOf(blobs, part.blob)) <= ordinal) {
      found = part.start;
      low = part.start + part.length;
    } else {
      high = part.start;
    }
  }
  return found;
}

async function headOf(blobs: PartialResultSources['blobs'], blob: BlobSlice): Promise<Uint8Array> {
  if (blob.kind === 'inline') return blob.bytes;
  return readBlob(blobs, { ...blob, length: Math.min(HEAD_BYTES, blob.length) });
}

async function* chunksOf(blobs: PartialResultSources['blobs'], blob: BlobSlice): AsyncGenerator<Uint8Array> {
  if (blob.kind === 'inline') yield blob.bytes;
  else yield* blobs.read(blob.name, blob.offset, blob.offset + blob.length);
}
