import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import type { BusboyInstance } from '@fastify/busboy';
import { ApiError, invalidMember } from '../errors.ts';

/** No text part of an upload comes near this. */
const MAX_FIELD_BYTES = 1024;
const MAX_FIELDS = 16;
/** Of any kind: what has no name, or is no part of a form, is skipped, and must not be skipped for ever. */
const MAX_PARTS = 64;

export interface UploadPart {
  readonly bytes: Readable;
  /** As the client wrote it, without folders. */
  readonly filename: string | undefined;
}

/**
 * Reads a multipart upload: one part `fileName`, and text parts before or after it (measured: SDKs do both). The file streams to
 * `store`, which learns the text parts from `fields` once the last part is read; nothing is held in memory.
 *
 * If anything fails, here, in `store` or because the client went away, the file's stream breaks, `fields` rejects, and the call
 * waits until `store` has tidied up before it rejects with what came first.
 * @throws ApiError for a body that is not a well-formed upload
 */
export async function readMultipart<T>(
  request: IncomingMessage,
  store: (part: UploadPart, fields: Promise<ReadonlyMap<string, string>>) => Promise<T>,
  fileName = 'file',
): Promise<T> {
  const parser = openParser(request, fileName);
  const { promise: fields, resolve, reject } = Promise.withResolvers<ReadonlyMap<string, string>>();
  const texts = new Map<string, string>();
  let file: Readable | undefined;
  let stored: Promise<T> | undefined;
  let isRefused = false;

  const fail = (error: unknown): void => {
    isRefused = true;
    reject(error);
    // The rest of the body is read and dropped: a client that is still sending would otherwise never see the answer.
    request.unpipe(parser);
    request.resume();
    file?.destroy(error as Error);
  };

  parser.on('file', (name, stream, filename) => {
    stream.on('error', () => {});
    // Parts that came in the same chunk are still told. A file among them would never end, since no more of the body is parsed.
    if (isRefused) return;
    if (name !== fileName || stored !== undefined) {
      stream.resume();
      fail(name === fileName ? severalFiles(fileName) : unknownFile(name, fileName));
      return;
    }
    file = stream;
    stored = store({ bytes: stream, filename }, fields);
    stored.catch(fail);
  });
  // The parser tells of parts without a name, too, whatever its types say.
  parser.on('field', (name: string | undefined, value, _nameTruncated, valueTruncated) => {
    if (name === undefined) return;
    if (valueTruncated) fail(tooLong(name));
    if (texts.has(name)) fail(severalTexts(name));
    texts.set(name, value);
  });
  parser.on('fieldsLimit', () => fail(tooMany(MAX_FIELDS, 'text parts')));
  parser.on('partsLimit', () => fail(tooMany(MAX_PARTS, 'parts')));
  parser.on('error', (error) => fail(malformed((error as Error).message)));
  parser.on('finish', () => (stored === undefined ? fail(noFile(fileName)) : resolve(texts)));
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

function openParser(request: IncomingMessage, fileName: string): BusboyInstance {
  const contentType = request.headers['content-type'] ?? '';
  if (!/^multipart\/form-data\s*(?:;|$)/i.test(contentType)) {
    throw new ApiError(
      'not_multipart',
      `An upload is multipart/form-data with a part "${fileName}"${fileName === 'file' ? ' and a part "purpose"' : ''}, but the content type is ${JSON.stringify(contentType)}.`,
    );
  }
  if (!/;\s*boundary=("[^"]+"|[^\s;]+)/i.test(contentType)) {
    throw malformed('the content type names no boundary. Let your HTTP library set the header');
  }
  try {
    return new Busboy({
      headers: { 'content-type': contentType },
      // As the body's own (create-api.ts).
      fileHwm: 16 * 1024,
      limits: { fieldSize: MAX_FIELD_BYTES, fields: MAX_FIELDS, parts: MAX_PARTS },
      isPartAFile: (name, _type, filename) => name === fileName || filename !== undefined,
    });
  } catch (error) {
    throw malformed(`the content type is none that can be read (${(error as Error).message})`);
  }
}

function malformed(why: string): ApiError {
  return new ApiError('bad_multipart', `The multipart body cannot be read: ${why}.`);
}

function noFile(name: string): ApiError {
  return invalidMember(['body', name], 'Field required', 'missing');
}

function severalFiles(name: string): ApiError {
  return invalidMember(['body', name], 'Only one file can be uploaded per call', 'too_many_files');
}

function unknownFile(name: string | undefined, expected: string): ApiError {
  return invalidMember(
    ['body', name ?? ''],
    `The part that holds the file must be called "${expected}", but this one is called ${JSON.stringify(name ?? '')}`,
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

function severalTexts(name: string): ApiError {
  return invalidMember(['body', name], 'Field given more than once', 'value_error');
}

function tooMany(limit: number, what: string): ApiError {
  return invalidMember(['body'], `An upload may have at most ${limit} ${what}`, 'too_many_parts');
}
