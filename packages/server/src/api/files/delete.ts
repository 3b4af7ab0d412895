import type { DeletedFile } from '@bora/protocol/mistral-files';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { fileNotFound } from '../errors.ts';
import { fileIdOf } from '../path-ids.ts';

/** `DELETE /v1/files/{file_id}`: hidden at once; a job that reads the file goes on undisturbed. */
export function deleteFileRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.delete('/v1/files/:file_id', async (request): Promise<DeletedFile> => {
    const fileId = fileIdOf(request.params);
    if (!(await database.deleteFile(request.caller.workspaceId, fileId))) throw fileNotFound(fileId);
    return { id: fileId, object: 'file', deleted: true };
  });
}
