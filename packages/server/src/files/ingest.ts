import type { ReachStopPoint } from '../observe/stop-points.ts';
import type { BlobStore } from '../storage/ports/blobs.ts';
import { DatabaseRefused } from '../storage/ports/database.ts';
import type { Actor } from '../storage/ports/audit-records.ts';
import { BlobNotWritten, WorkspaceFull } from '../storage/ports/file-records.ts';
import type {
  FileFacts,
  FileRecord,
  FileRecords,
  LineIndexSummary,
  NewFile,
} from '../storage/ports/file-records.ts';
import type { BlobNamePool } from './blob-names.ts';
import type { PassKind, PassResult } from './content-pass.ts';
import { IndexMemoryFull } from './index-memory.ts';
import type { ContentStream, IndexThread } from './index-thread.ts';
import { inLargerChunks } from './larger-chunks.ts';
import { BadBatchFile, FileTooLarge, TooManyLines } from './upload-errors.ts';
import { BlobOutput } from './write-blob.ts';

export interface IngestDependencies {
  readonly database: Pick<FileRecords, 'createFile'>;
  readonly blobs: Pick<BlobStore, 'create'>;
  /** Names of blobs that `session` writes. */
  readonly names: BlobNamePool;
  readonly session: string;
  readonly indexer: IndexThread;
  readonly reachStopPoint: ReachStopPoint;
}

/** What is known of a file before its content is. */
export type UploadFacts = Omit<FileFacts, 'bytes' | 'numLines' | 'signature' | 'lineIndex'> &
  Pick<NewFile, 'expireMs'>;

export interface IngestOptions {
  /**
   * - `refuse-bad-lines`: a file of requests; one bad line, or no request at all, refuses it.
   * - `index-only`: a file of requests; bad lines are counted and taken.
   * - `no-index`: any other file. Lines are counted if its mimetype is `application/jsonl`.
   */
  readonly check: 'refuse-bad-lines' | 'index-only' | 'no-index';
  readonly maxBytes?: number;
  /** Requests (lines that are not blank); of no account where the lines are none (`no-index`, settled). */
  readonly maxLines?: number;
  /** Of a request; at most and by default `MAX_LINE_BYTES`. A longer line is a bad one. */
  readonly maxLineBytes?: number;
  /** Of all files of the workspace together. */
  readonly maxStoredBytes?: number | null;
  /** Who uploads. */
  readonly by?: Actor;
  /**
   * Asked once the content is read and found within the limit of bytes, before anything is durable, by callers that learn more while it
   * streams (a form names the purpose behind the file) or that look at the index before they take the file. What it throws
   * refuses the file. It may ask for less of a check than `check` read for, not for more.
   */
  readonly settle?: (index: LineIndexSummary | null, md5: string) => Promise<SettledUpload>;
}

/** What an upload turns out to be. */
export interface SettledUpload {
  readonly facts: UploadFacts;
  readonly check: IngestOptions['check'];
}

/**
 * Makes a file of what streams in: the bytes go to a blob while the index thread reads them, chunk by chunk, so memory
 * does not grow with the file. Once it resolves the file survives power loss and may be acknowledged. If it rejects,
 * nothing is left but a released name, whose bytes collection removes.
 *
 * Whoever aborts `signal` should end `source` as well: a chunk that never comes cannot be given up.
 * @throws BadBatchFile, FileTooLarge, TooManyLines: the uploader's fault; nothing was made durable.
 * @throws WorkspaceFull, IndexMemoryFull
 */
export async function ingestFile(
  deps: IngestDependencies,
  facts: UploadFacts,
  source: AsyncIterable<Uint8Array>,
  options: IngestOptions,
  signal?: AbortSignal,
): Promise<FileRecord> {
  const content = new BlobOutput(deps);
  const cuts = new BlobOutput(deps);
  const pass = deps.indexer.open(passKind(facts, options.check), options.maxLineBytes);
  try {
    let bytes = 0;
    for await (const chunk of inLargerChunks(source)) {
      signal?.throwIfAborted();
      bytes += chunk.byteLength;
      if (bytes > (options.maxBytes ?? Infinity)) throw new FileTooLarge(options.maxBytes!);
      await both(content.write(chunk), pass.push(chunk));
      await writeCuts(pass, cuts);
    }
    const read = await pass.finish();
    await writeCuts(pass, cuts);
    const summary = read.index?.summary ?? null;
    const settled = (await options.settle?.(summary, read.md5)) ?? { facts, check: options.check };
    checkLines(read, settled.check, options.maxLines);
    const result = settleResult(read, settled);
    signal?.throwIfAborted();
    await deps.reachStopPoint('upload.written');

    const blob = await content.finish();
    if (result.index === null) await cuts.abandon();
    else await cuts.write(result.index.cuts);
    const file: NewFile = {
      ...settled.facts,
      bytes,
      numLines: result.lines,
      signature: result.md5,
      lineIndex: result.index?.summary ?? null,
      manifest: blob === null ? [] : [blob],
      cuts: result.index === null ? null : await cuts.finish(),
      references: result.index?.references ?? [],
    };
    await deps.reachStopPoint('upload.durable');
    signal?.throwIfAborted();
    return await createFile(deps, file, options);
  } catch (error) {
    await content.abandon();
    await cuts.abandon();
    throw error;
  } finally {
    pass.drop();
  }
}

/** What the content of a file is read for. */
export function passKind({ mimetype }: UploadFacts, check: IngestOptions['check']): PassKind {
  if (check !== 'no-index') return 'requests';
  return mimetype === 'application/jsonl' ? 'lines' : 'bytes';
}

/** Keeps the cuts that the index thread has handed over, so that it holds few of them however long the file is. */
export async function writeCuts(pass: ContentStream, cuts: BlobOutput): Promise<void> {
  for (const part of pass.takeCuts()) await cuts.write(part);
}

/**
 * Lines are counted where they are requests.
 * @throws TooManyLines, IndexMemoryFull
 */
export function checkLines(
  { lines, index }: Pick<PassResult, 'lines' | 'index'>,
  check: IngestOptions['check'],
  maxLines = Infinity,
): void {
  if (check === 'no-index') return;
  if (lines > maxLines) throw new TooManyLines(lines, maxLines);
  if (index?.lacksMemory === true) throw new IndexMemoryFull();
}

/** The result under the check that the upload is held to in the end; without an index it is as if none had been made. */
function settleResult({ md5, lines, index }: PassResult, { facts, check }: SettledUpload): PassResult {
  if (check === 'no-index') {
    return { md5, lines: facts.mimetype === 'application/jsonl' ? lines : 0, index: null };
  }
  if (index !== null && check === 'refuse-bad-lines') {
    const { badLines, firstBadLines } = index.summary;
    if (badLines > 0) throw new BadBatchFile(badLines, firstBadLines, index.firstFault === 'encoding');
    if (lines === 0) {
      const message = 'The file has no requests. Write one JSON object with a "body" per line.';
      throw new BadBatchFile(1, [{ line: 1, message }], false);
    }
  }
  return { md5, lines, index };
}

/** Both go on with the same chunk, so neither may still use it when the next one comes or the first error is thrown. */
async function both(writing: Promise<void>, reading: Promise<void>): Promise<void> {
  for (const outcome of await Promise.allSettled([writing, reading])) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

/**
 * A rejection does not say whether the file was made; asking once more does. If the answer is lost twice, the names are
 * released, which leaves alone those that the file owns.
 */
async function createFile(
  { database, session }: IngestDependencies,
  file: NewFile,
  { by, maxStoredBytes }: IngestOptions,
): Promise<FileRecord> {
  try {
    return await database.createFile(file, session, by, maxStoredBytes);
  } catch (error) {
    const isRefusal = [DatabaseRefused, BlobNotWritten, WorkspaceFull].some((kind) => error instanceof kind);
    if (isRefusal) throw error;
    return database.createFile(file, session, by, maxStoredBytes);
  }
}
