import { Readable } from 'node:stream';
import { resultsQuery } from '@bora/protocol/bora-extensions';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { readPartialResults } from '../batches/partial-results.ts';
import { isTerminal, type BatchRecord } from '../storage/ports/batch-records.ts';
import type { ResultPart } from '../storage/ports/shard-queue.ts';
import type { ApiDependencies } from './dependencies.ts';
import { fileNotFound } from './errors.ts';
import { validate } from './validation.ts';

/**
 * Answers the result lines of a batch as far as they are there, output or error lines as `kind` says. `x-bora-complete` tells whether these
 * are all that there will ever be, `x-bora-lines` how many there were when the call came: at least so many follow.
 *
 * An answer that breaks off was not at its end. It has no length and no ETag, since the next one may have more lines in between.
 */
export async function sendPartialResults(
  deps: ApiDependencies,
  batch: BatchRecord,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { kind } = validate(resultsQuery, request.query, 'query');
  reply.type('application/x-ndjson').headers({
    'cache-control': 'no-store',
    'x-bora-complete': String(isTerminal(batch.state)),
    'x-bora-lines': await countLines(deps, batch, kind),
  });
  if (request.method === 'HEAD') return reply.send();

  const lines = Readable.from(readPartialResults(deps, batch, kind), { objectMode: false });
  lines.on('error', (error) => deps.log.warn({ batch: batch.id, err: error }, 'partial results broke off'));
  return reply.send(lines);
}

/** @throws ApiError 404 where the result file was deleted */
async function countLines(
  { database }: ApiDependencies,
  batch: BatchRecord,
  kind: ResultPart['kind'],
): Promise<number> {
  const [answered, fileId] =
    kind === 'output' ? [batch.succeeded, batch.outputFileId] : [batch.failed, batch.errorFileId];
  if (!isTerminal(batch.state)) return answered;
  if (fileId === null) return 0;
  const file = await database.getFile(batch.workspaceId, fileId, null);
  if (file === null) throw fileNotFound(fileId);
  return file.numLines ?? 0;
}
