import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readFileRange } from '../../files/content.ts';
import { contentRangeHeader, contentRangeOf } from '../../files/ranges.ts';
import type { FileRecord } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, fileNotFound } from '../errors.ts';
import { askedFileId } from './asked-file.ts';

/**
 * `GET` and `HEAD /v1/files/{file_id}/content`: the bytes, whole or one range of them. A file never changes, so its id is its
 * strong ETag. Always `application/octet-stream`: the SDKs reject any other type (measured).
 */
export function contentRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/v1/files/:file_id/content',
    config: { access: 'signed' },
    handler: async (request, reply) => {
      const fileId = askedFileId(request);
      const { workspaceId, creator } = request.caller;
      const { signature, batch } = request.query as { signature?: string; batch?: string };
      // The signature, which is checked by now, covers the batch.
      const file = await (signature !== undefined && batch !== undefined
        ? deps.database.findNamedFile(batch, fileId)
        : deps.database.getFile(workspaceId, fileId, creator));
      if (file === null) throw fileNotFound(fileId);
      return sendContent(deps, file, request, reply);
    },
  });
}

function sendContent(
  deps: ApiDependencies,
  file: FileRecord,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const etag = `"${file.id}"`;
  reply.headers({
    'content-type': 'application/octet-stream',
    'content-disposition': attachment(file.filename),
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    etag,
  });
  if (namesTag(request.headers['if-none-match'], etag)) return reply.code(304).send();

  const size = file.bytes;
  const ifRange = request.headers['if-range'];
  const range = contentRangeOf(
    { range: request.headers.range, ifRange: typeof ifRange === 'string' ? ifRange : undefined },
    { size, etag },
  );
  if (range.kind === 'unsatisfiable') {
    throw new ApiError(
      'range_not_satisfiable',
      `The range lies outside the file, which has ${size} bytes.`,
      {},
      {
        'content-range': contentRangeHeader(range, size),
      },
    );
  }
  const { start, end } = range.kind === 'whole' ? { start: 0, end: size } : range;
  if (range.kind === 'partial') reply.code(206).header('content-range', contentRangeHeader(range, size));
  reply.header('content-length', end - start);
  if (request.method === 'HEAD') return reply.send();

  // Readable.from asks for the next chunk only when the socket took the last one: a slow reader costs a chunk, not a file.
  const bytes = Readable.from(readFileRange(deps, file.id, start, end), { objectMode: false });
  bytes.on('error', (error) => deps.log.error({ file: file.id, err: error }, 'a download broke off'));
  return reply.send(bytes);
}

/** `If-None-Match` compares weakly and may list several (RFC 9110, 13.1.2). */
function namesTag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
}

/** The name for people who save the file in a browser; any script outside ASCII goes as RFC 8187 says. */
function attachment(filename: string): string {
  const ascii = filename.replaceAll(/[^\x20-\x7e]|["\\]/g, '_');
  const encoded = encodeURIComponent(filename).replaceAll(
    /['()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16)}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
