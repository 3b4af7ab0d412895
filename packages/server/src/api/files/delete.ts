import type { DeletedFile } from '@bora/protocol/mistral-files';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { fileNotFound } from '../errors.ts';
import { askedFileId } from './asked-file.ts';

/** `DELETE /v1/files/{file_id}`: hidden at once; a job that reads the file goes on undisturbed. */
export function deleteFileRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.delete('/v1/files/:file_id', { config: { access: 'write' } }, async (request): Promise<DeletedFile> => {
    const fileId = askedFileId(request);
    const { workspaceId, actor } = request.caller;
    if (!(await database.deleteFile(workspaceId, fileId, actor))) throw fileNotFound(fileId);
    return { id: fileId, object: 'file', deleted: true };
  });
}
