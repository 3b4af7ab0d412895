import { UploadInterrupted } from '../../files/upload-errors.ts';
import { BlobNotWritten } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { diskFull } from '../errors.ts';
import type { Writing } from '../writing-session.ts';

/**
 * Does what writes blobs, under the session that they belong to.
 * @throws UploadInterrupted if the session dies meanwhile
 * @throws ApiError if there is too little room on the disk to begin
 */
export async function underSession<T>(
  { blobs, session, settings }: Pick<ApiDependencies, 'blobs' | 'session' | 'settings'>,
  write: (writing: Writing) => Promise<T>,
): Promise<T> {
  const free = await blobs.freeBytes();
  if (free !== null && free < settings.minFreeBytes) throw diskFull();
  const writing = await session.current();
  try {
    return await write(writing);
  } catch (error) {
    if (!writing.lost.aborted && !(error instanceof BlobNotWritten)) throw error;
    await session.bury(writing.id);
    throw new UploadInterrupted(
      'The upload was given up, because this Bora was silent for too long (asleep, or its disk hung) or is stopping. Send it again.',
      { cause: error },
    );
  }
}
