import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import type { BusboyInstance } from '@fastify/busboy';
import { ApiError, invalidMember } from '../errors.ts';

/** No text part of an upload comes near this. */
const MAX_FIELD_BYTES = 1024;
const MAX_FIELDS = 16;

export interface UploadPart {
  readonly bytes: Readable;
  /** As the client wrote it, without folders. */
  readonly filename: string | undefined;
}

/**
 * Reads a multipart upload: one part `file`, and text parts before or after it (measured: SDKs do both). The file streams to
 * `store`, which learns the text parts from `fields` once the last part is read; nothing is held in memory.
 *
 * If anything fails, here, in `store` or because the client went away, the file's stream breaks, `fields` rejects, and the call
 * waits until `store` has tidied up before it rejects with what came first.
 * @throws ApiError for a body that is not a well-formed upload
 */
export async function readMultipart<T>(
  request: IncomingMessage,
  store: (part: UploadPart, fields: Promise<ReadonlyMap<string, string>>) => Promise<T>,
): Promise<T> {
  const parser = openParser(request);
  const { promise: fields, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string>>();
  const texts = new Map<string, string>();
  let file: Readable | undefined;
  let stored: Promise<T> | undefined;

  const fail = (error: unknown): void => {
    reject(error);
    // The rest of the body is read and dropped: a client that is still sending would otherwise never see the answer.
    request.unpipe(parser);
    request.resume();
    file?.destroy(error as Error);
  };

  parser.on('file', (name, stream, filename) => {
    stream.on('error', () => {});
    if (name !== 'file' || stored !== undefined) {
      stream.resume();
      fail(name === 'file' ? severalFiles() : unknownFile(name));
      return;
    }
    file = stream;
    stored = store({ bytes: stream, filename }, fields);
    stored.catch(fail);
  });
  parser.on('field', (name, value, _nameTruncated, valueTruncated) => {
    if (valueTruncated) fail(tooLong(name));
    texts.set(name, value);
  });
  parser.on('fieldsLimit', () => fail(tooMany()));
  parser.on('error', (error) => fail(malformed((error as Error).message)));
  parser.on('finish', () => (stored === undefined ? fail(noFile()) : resolve(texts)));
  request.on('close', () => {
    if (!request.complete)
      fail(new ApiError('bad_multipart', 'The connection closed before the upload was complete.'));
  });
  request.pipe(parser);

  try {
    await fields;
    return await stored!;
  } catch (error) {
    await stored?.catch(() => {});
    throw error;
  }
}

function openParser(request: IncomingMessage): BusboyInstance {
  const contentType = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data/i.test(contentType)) {
    throw new ApiError(
      'not_multipart',
      `An upload is multipart/form-data with a part "file" and a part "purpose", but the content type is ${JSON.stringify(contentType)}.`,
    );
  }
  if (!/;\s*boundary=("[^"]+"|[^\s;]+)/i.test(contentType)) {
    throw malformed('the content type names no boundary. Let your HTTP library set the header');
  }
  return new Busboy({
    headers: { 'content-type': contentType },
    limits: { fieldSize: MAX_FIELD_BYTES, fields: MAX_FIELDS },
    isPartAFile: (name, _type, filename) => name === 'file' || filename !== undefined,
  });
}

function malformed(why: string): ApiError {
  return new ApiError('bad_multipart', `The multipart body cannot be read: ${why}.`);
}

function noFile(): ApiError {
  return invalidMember(['body', 'file'], 'Field required', 'missing');
}

function severalFiles(): ApiError {
  return invalidMember(['body', 'file'], 'Only one file can be uploaded per call', 'too_many_files');
}

function unknownFile(name: string | undefined): ApiError {
  return invalidMember(
    ['body', name ?? ''],
    `The part that holds the file must be called "file", but this one is called ${JSON.stringify(name ?? '')}`,
    'extra_forbidden',
  );
}

function tooLong(name: string): ApiError {
  return invalidMember(
    ['body', name],
    `String should have at most ${MAX_FIELD_BYTES} bytes`,
    'string_too_long',
  );
}

function tooMany(): ApiError {
  return invalidMember(['body'], `An upload may have at most ${MAX_FIELDS} text parts`, 'too_many_parts');
}
