import { fileListQuery } from '@bora/protocol/mistral-files';
import type { FileList } from '@bora/protocol/mistral-files';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { validate } from '../validation.ts';
import { fileView } from './file-view.ts';

/** `GET /v1/files`: newest first, filters joined by "and". */
export function listFilesRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/v1/files', { config: { access: 'read' } }, async (request): Promise<FileList> => {
    const query = validate(fileListQuery, request.query, 'query');
    const { workspaceId, creator } = request.caller;
    const { files, total } = await database.listFiles(workspaceId, {
      viewer: creator,
      page: query.page,
      pageSize: query.page_size,
      includeTotal: query.include_total,
      sampleTypes: query.sample_type,
      sources: query.source,
      mimetypes: query.mimetypes,
      purpose: query.purpose,
      search: query.search,
    });
    return { data: files.map(fileView), object: 'list', total };
  });
}
