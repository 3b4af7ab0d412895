import { changeWorkspace } from '@bora/protocol/bora-access';
import type { Workspace } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { workspaceView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { readJsonBody } from '../json-body.ts';
import { workspaceOf } from './get-workspace.ts';
import { ownLimits } from './workspace-limits.ts';

/** `PATCH /bora/v1/workspaces/{id or name}`: weight, limits, and whether it is disabled. What is not named stays. */
export function changeWorkspaceRoute(app: FastifyInstance, { database, log }: ApiDependencies): void {
  app.patch(
    '/bora/v1/workspaces/:workspace',
    { config: { access: 'admin' } },
    async (request): Promise<Workspace> => {
      const { weight, limits, disabled } = await readJsonBody(request.raw, changeWorkspace);
      const { id } = await workspaceOf(database, request.params);
      const change = {
        ...(weight === undefined ? {} : { weight }),
        ...(limits === undefined ? {} : { limits: ownLimits(limits) }),
        ...(disabled === undefined ? {} : { disabled }),
      };
      // Workspaces are never removed, so it is still there.
      const changed = await database.changeWorkspace(id, change, request.caller.actor);
      log.info({ workspace: changed!.name, ...change }, 'changed a workspace');
      return workspaceView(changed!);
    },
  );
}
