import { auditQuery } from '@bora/protocol/bora-access';
import type { AuditPage } from '@bora/protocol/bora-access';
import type { FastifyInstance } from 'fastify';
import { auditView } from '../../access/views.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { validate } from '../validation.ts';
import { workspaceOf } from './get-workspace.ts';

/** `GET /bora/v1/audit`: who changed what, newest first, filters joined by "and". `next` is the `before` of the next page. */
export function readAuditRoute(app: FastifyInstance, { database }: ApiDependencies): void {
  app.get('/bora/v1/audit', { config: { access: 'admin' } }, async (request): Promise<AuditPage> => {
    const { page_size, action, workspace, subject_id, ...rest } = validate(
      auditQuery,
      request.query,
      'query',
    );
    const workspaceId = workspace === undefined ? undefined : (await workspaceOf(database, { workspace })).id;
    const filter = { ...rest, pageSize: page_size, actions: action, workspaceId, subjectId: subject_id };
    const { entries, next } = await database.readAudit(filter);
    return { data: entries.map(auditView), object: 'list', next };
  });
}
