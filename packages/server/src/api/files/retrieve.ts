import type { RetrievedFile } from '@bora/protocol/mistral-files';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { fileNotFound } from '../errors.ts';
import { fileIdOf } from '../path-ids.ts';
import { fileView } from './file-view.ts';

/** `GET /v1/files/{file_id}` */
export function retrieveFileRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/v1/files/:file_id', { config: { access: 'read' } }, async (request): Promise<RetrievedFile> => {
    const fileId = fileIdOf(request.params);
    const { workspaceId, creator } = request.caller;
    const file = await database.getFile(workspaceId, fileId, creator);
    if (file === null) throw fileNotFound(fileId);
    return { ...fileView(file), deleted: false };
  });
}
