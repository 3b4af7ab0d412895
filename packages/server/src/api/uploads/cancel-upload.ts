import type { OpenAiUpload } from '@bora/protocol/openai-uploads';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { uploadEnded, uploadIdOf, uploadNotFound } from './asked-upload.ts';
import { uploadView } from './upload-view.ts';

/** `POST /v1/uploads/{upload_id}/cancel`: its parts are dropped. One that is cancelled already is answered as it is. */
export function cancelUploadRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.post(
    '/v1/uploads/:upload_id/cancel',
    { config: { access: 'write' } },
    async (request): Promise<OpenAiUpload> => {
      const id = uploadIdOf(request);
      const upload = await database.cancelUpload(request.caller.workspaceId, id);
      if (upload === null) throw uploadNotFound(id);
      if (upload.state !== 'cancelled') throw uploadEnded(upload, 'it cannot be cancelled');
      return uploadView(upload, null);
    },
  );
}
