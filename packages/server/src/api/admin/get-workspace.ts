import type { WorkspaceDetails } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { workspaceDetailsView } from '../../access/views.ts';
import type { Database } from '../../storage/ports/database.ts';
import type { WorkspaceRecord } from '../../storage/ports/workspace-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/** `GET /bora/v1/workspaces/{id or name}`, with what it uses of its limits now. */
export function getWorkspaceRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get(
    '/bora/v1/workspaces/:workspace',
    { config: { access: 'admin' } },
    async (request): Promise<WorkspaceDetails> => {
      const workspace = await workspaceOf(database, request.params);
      const usage = await database.workspaceUsage(workspace.id);
      return workspaceDetailsView(workspace, usage!);
    },
  );
}

/** @throws ApiError 404 */
export async function workspaceOf(
  database: Pick<Database, 'getWorkspace'>,
  params: unknown,
): Promise<WorkspaceRecord> {
  const { workspace: idOrName } = params as { workspace: string };
  const workspace = await database.getWorkspace(idOrName);
  if (workspace === null) {
    throw new ApiError('workspace_not_found', `There is no workspace ${JSON.stringify(idOrName)}.`);
  }
  return workspace;
}
