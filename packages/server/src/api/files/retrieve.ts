import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { dialectOf } from '../dialect.ts';
import { fileNotFound } from '../errors.ts';
import { askedFileId } from './asked-file.ts';
import { fileView } from './file-view.ts';

/** `GET /v1/files/{file_id}` */
export function retrieveFileRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/v1/files/:file_id', { config: { access: 'read' } }, async (request) => {
    const fileId = askedFileId(request);
    const { workspaceId, creator } = request.caller;
    const file = await database.getFile(workspaceId, fileId, creator);
    if (file === null) throw fileNotFound(fileId);
    return { ...fileView(file, dialectOf(request)), deleted: false };
  });
}
