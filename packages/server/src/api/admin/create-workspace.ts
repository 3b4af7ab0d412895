import { randomUUID } from 'node:crypto';
import { createWorkspace } from '@bora/protocol/bora-access';
import type { Workspace } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { workspaceView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { readJsonBody } from '../json-body.ts';
import { ownLimits } from './workspace-limits.ts';

/** `POST /bora/v1/workspaces` */
export function createWorkspaceRoute(app: FastifyInstance, { database, log }: ApiDependencies): void {
  app.post('/bora/v1/workspaces', { config: { access: 'admin' } }, async (request): Promise<Workspace> => {
    const { name, weight, limits } = await readJsonBody(request.raw, createWorkspace);
    const created = await database.createWorkspace(
      {
        id: randomUUID(),
        name,
        ...(weight === undefined ? {} : { weight }),
        ...(limits === undefined ? {} : { limits: ownLimits(limits) }),
      },
      request.caller.actor,
    );
    if (created === null) {
      throw new ApiError('workspace_exists', `There is a workspace ${JSON.stringify(name)} already.`);
    }
    log.info({ workspace: created.name }, 'made a workspace');
    return workspaceView(created);
  });
}
