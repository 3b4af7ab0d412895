import type { WorkspaceList } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { workspaceView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';

/** `GET /bora/v1/workspaces`, by name. */
export function listWorkspacesRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/bora/v1/workspaces', { config: { access: 'admin' } }, async (): Promise<WorkspaceList> => {
    const workspaces = await database.listWorkspaces();
    return { data: workspaces.map(workspaceView), object: 'list' };
  });
}
