import { fileListQuery } from '@bora/protocol/mistral-files';
import { openAiFileListQuery } from '@bora/protocol/openai-files';
import type { OpenAiFileList } from '@bora/protocol/openai-files';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { FileFilter } from '../../storage/ports/file-records.ts';
import type { Dialect } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { dialectOf } from '../dialect.ts';
import type { ApiError } from '../errors.ts';
import { invalidParameter, validateOpenAi } from '../openai/validation.ts';
import { fileIdOf } from '../path-ids.ts';
import { validate } from '../validation.ts';
import { fileView, RESULT_TYPES } from './file-view.ts';

/** What only Mistral's clients send: they page by number, OpenAI's by the last id. */
const PAGE_PARAMETERS = ['page', 'page_size', 'include_total'];

/**
 * `GET /v1/files`, newest first unless asked otherwise, filters joined by "and". Pages are numbered (Mistral's dialect), or begin behind
 * a file (OpenAI's); either way the answer has what clients of both read.
 */
export function listFilesRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.get('/v1/files', { config: { access: 'read' } }, (request): Promise<OpenAiFileList> => {
    const dialect = dialectOf(request);
    const isNumbered = PAGE_PARAMETERS.some((name) => name in (request.query as object));
    return dialect === 'openai' && !isNumbered
      ? listBehind(deps, request)
      : listNumbered(deps, request, dialect);
  });
}

async function listNumbered(
  { database }: ApiDependencies,
  { caller, query: asked }: FastifyRequest,
  dialect: Dialect,
): Promise<OpenAiFileList> {
  const query = validate(fileListQuery, asked, 'query');
  const { page, page_size: pageSize } = query;
  const { files, total } = await database.listFiles(caller.workspaceId, {
    viewer: caller.creator,
    page,
    pageSize,
    includeTotal: query.include_total,
    sampleTypes: query.sample_type,
    sources: query.source,
    mimetypes: query.mimetypes,
    purpose: query.purpose,
    search: query.search,
  });
  const data = files.map((file) => fileView(file, dialect));
  // Without a count a full page may have others behind it.
  return listOf(data, total === null ? data.length === pageSize : (page + 1) * pageSize < total, total);
}

async function listBehind(
  { database }: ApiDependencies,
  { caller, query: asked }: FastifyRequest,
): Promise<OpenAiFileList> {
  const { limit, order, after: id, purpose } = validateOpenAi(openAiFileListQuery, asked);
  const after = id === undefined ? undefined : await database.findFilePlace(caller.workspaceId, cursorOf(id));
  // Beginning anew would send a client round for ever.
  if (after === null) throw noSuchCursor(id!);
  const { files } = await database.listFiles(caller.workspaceId, {
    viewer: caller.creator,
    page: 0,
    // One more than asked for tells whether there are more.
    pageSize: limit + 1,
    includeTotal: false,
    after,
    order: order === 'asc' ? 'oldest-first' : 'newest-first',
    ...filterOf(purpose),
  });
  const data = files.slice(0, limit).map((file) => fileView(file, 'openai'));
  return listOf(data, files.length > limit, null);
}

/** By the purposes that OpenAI's view shows. */
function filterOf(purpose: string | undefined): Pick<FileFilter, 'purpose' | 'sampleTypes'> {
  if (purpose === 'batch_output') return { sampleTypes: RESULT_TYPES };
  return purpose === 'batch' ? { purpose, sampleTypes: ['batch_request'] } : { purpose };
}

function cursorOf(id: string): string {
  try {
    return fileIdOf({ file_id: id });
  } catch {
    throw noSuchCursor(id);
  }
}

function noSuchCursor(id: string): ApiError {
  return invalidParameter(
    `Invalid 'after': there is no file ${JSON.stringify(id)}. Begin at the first page again.`,
    'after',
    'invalid_value',
  );
}

function listOf(data: OpenAiFileList['data'], hasMore: boolean, total: number | null): OpenAiFileList {
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: hasMore,
    total,
  };
}
