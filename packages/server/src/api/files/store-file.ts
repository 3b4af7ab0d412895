import type { ErrorBody } from '@bora/protocol/mistral-errors';
import type { Caller } from '../../access/authenticate.ts';
import { ingestFile } from '../../files/ingest.ts';
import type { IngestOptions, UploadFacts } from '../../files/ingest.ts';
import { BadBatchFile, FileTooLarge, TooManyLines } from '../../files/upload-errors.ts';
import type { FileRecord } from '../../storage/ports/file-records.ts';
import { WorkspaceFull } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { limitsOf } from '../limits.ts';
import { noRoomFor, roomLeft, workspaceFull } from './room-left.ts';
import { underSession } from './under-session.ts';

/** Makes a file of a stream within the limits of the caller's workspace, and says what is wrong with it in the words of Mistral's API. */
export async function storeFile(
  deps: ApiDependencies,
  caller: Caller,
  facts: UploadFacts,
  source: AsyncIterable<Uint8Array>,
  options: Pick<IngestOptions, 'check' | 'settle'>,
): Promise<FileRecord> {
  const { database, blobs, indexer, reachStopPoint, settings, metrics, memory } = deps;
  const { maxFileBytes, maxFileLines, maxStoredBytes } = limitsOf(caller, settings);
  const room = await roomLeft(deps, caller);
  try {
    const file = await underSession(deps, ({ id: session, names, lost }) =>
      ingestFile(
        { database, blobs, names, session, indexer, reachStopPoint },
        facts,
        options.check === 'no-index' ? source : memory.holdLines(source, settings.maxLineBytes),
        {
          ...options,
          maxLineBytes: settings.maxLineBytes,
          maxBytes: Math.min(maxFileBytes ?? Infinity, room),
          maxLines: maxFileLines ?? Infinity,
          maxStoredBytes,
          by: caller.actor,
        },
        lost,
      ),
    );
    metrics.uploadedBytes.inc(file.bytes);
    return file;
  } catch (error) {
    if (error instanceof BadBatchFile) throw badBatchFile(error);
    if (error instanceof WorkspaceFull) throw workspaceFull(error.message);
    if (error instanceof FileTooLarge && room < (maxFileBytes ?? Infinity)) throw noRoomFor(room);
    if (error instanceof FileTooLarge || error instanceof TooManyLines) {
      throw new ApiError('file_too_large', error.message);
    }
    throw error;
  }
}

/** The shape and the sentences of the real service (live); only the link points to what Bora takes. */
function badBatchFile({ badLines, firstBadLines, isEncoding }: BadBatchFile): ApiError {
  const errors: ErrorBody['errors'] = firstBadLines.map(({ line, message }) => ({
    message,
    line_number: line,
  }));
  const found = `Found ${badLines} ${badLines === 1 ? 'error' : 'errors'} in this file.`;
  const more = badLines > errors.length ? ` The first ${errors.length} are listed.` : '';
  const detail = isEncoding
    ? 'Failed to decode data, please encode your file using UTF-8.'
    : 'Invalid file format.';
  const description = `${found}${more} Each line must be {"custom_id": string or null, "body": {…}}; nothing of the file was kept.`;
  const [first] = firstBadLines;
  // Clients of OpenAI's that nothing tells show this alone.
  const message = `${detail} Line ${first?.line}: ${first?.message} ${description}`;
  return new ApiError('bad_batch_file', detail, { description, errors }, {}, { message });
}
