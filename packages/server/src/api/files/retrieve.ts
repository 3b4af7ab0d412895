import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { dialectOf } from '../dialect.ts';
import { fileNotFound } from '../errors.ts';
import { fileIdOf } from '../path-ids.ts';
import { fileViewOf } from './file-view.ts';

/** `GET /v1/files/{file_id}` */
export function retrieveFileRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/v1/files/:file_id', { config: { access: 'read' } }, async (request) => {
    const fileId = fileIdOf(request.params);
    const { workspaceId, creator } = request.caller;
    const file = await database.getFile(workspaceId, fileId, creator);
    if (file === null) throw fileNotFound(fileId);
    return { ...fileViewOf(dialectOf(request), file), deleted: false };
  });
}
