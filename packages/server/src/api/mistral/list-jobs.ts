import type { BatchJobList } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { BatchFilter } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { jobNotFound } from '../errors.ts';
import { jobIdFrom } from '../path-ids.ts';
import { statesOf } from './job-status.ts';
import { readJobListQuery } from './job-list-query.ts';
import type { JobListQuery } from './job-list-query.ts';
import { jobView } from './job-view.ts';

/** `GET /v1/batch/jobs`: all filters joined by "and", `status` any of the named ones. */
export function listJobsRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database } = deps;
  app.get('/v1/batch/jobs', { config: { access: 'read' } }, async (request): Promise<BatchJobList> => {
    const { workspaceId, creator } = request.caller;
    const query = readJobListQuery(request.query as Record<string, unknown>);
    const after =
      query.after === undefined
        ? undefined
        : await database.findBatchPlace(workspaceId, jobIdFrom(query.after, ['query', 'after']));
    if (after === null) throw jobNotFound();
    const filter = { ...filterOf(query, creator), after };
    const { batches, total } = await database.listBatches(workspaceId, filter);
    return { data: batches.map((batch) => jobView(batch, deps)), object: 'list', total };
  });
}

function filterOf(query: JobListQuery, creator: string | null): BatchFilter {
  return {
    page: query.page,
    pageSize: query.page_size,
    order: query.order_by === 'created' ? 'oldest-first' : 'newest-first',
    model: query.model,
    agentId: query.agent_id,
    metadata: query.metadata,
    createdAfter: query.created_after === undefined ? undefined : utc(query.created_after),
    // Without keys everybody is the same caller, so all jobs are "mine".
    createdBy: query.created_by_me ? (creator ?? undefined) : undefined,
    statuses: query.status === undefined ? undefined : statesOf(query.status),
  };
}

/** Milliseconds of a date that may lack time or zone; none means UTC, whatever zone the server runs in. */
function utc(date: string): number {
  const hasTime = date.includes('T');
  const hasZone = /(?:Z|[+-]\d\d:?\d\d)$/i.test(date);
  return Date.parse(hasTime && !hasZone ? `${date}Z` : date);
}
