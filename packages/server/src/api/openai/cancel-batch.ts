import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { FastifyInstance } from 'fastify';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { batchIdOf, batchNotFound } from './batch-id.ts';
import { batchView } from './batch-view.ts';

/** What is being cancelled, or was, is answered as it is: a second cancel is no error (observed). */
const CANCELLED_STATUSES: readonly string[] = ['cancelling', 'cancelled'];

/** `POST /v1/batches/{batch_id}/cancel`, with no body or any. A batch that ends or has ended otherwise answers 409 (observed). */
export function cancelBatchRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database, reachStopPoint, log } = deps;
  app.post(
    '/v1/batches/:batch_id/cancel',
    { config: { access: 'write' } },
    async (request): Promise<OpenAiBatch> => {
      const { batch_id: id } = request.params as { batch_id: string };
      const { workspaceId, actor } = request.caller;
      const batch = await database.cancelBatch(workspaceId, batchIdOf(id), actor);
      if (batch === null) throw batchNotFound(id);
      const view = batchView(batch, deps);
      if (!CANCELLED_STATUSES.includes(view.status)) {
        throw new ApiError('batch_ended', `Cannot cancel a batch with status '${view.status}'.`);
      }
      await reachStopPoint('cancel.committed');
      log.info({ batch: batch.id, state: batch.state }, 'asked to cancel a batch');
      return view;
    },
  );
}
