import { Readable } from 'node:stream';
import { batchJobQuery, MAX_INLINE_REQUESTS } from '@bora/protocol/mistral-jobs';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { FastifyInstance } from 'fastify';
import type { BatchRecord } from '../../storage/ports/batch-records.ts';
import { isTerminal } from '../../storage/ports/batch-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, jobNotFound } from '../errors.ts';
import { jobIdOf } from '../path-ids.ts';
import { validate } from '../validation.ts';
import { outputLines } from './job-outputs.ts';
import { jobView } from './job-view.ts';

/** As many rows as an inline job can have; more belong in a download. */
const MAX_OUTPUTS = MAX_INLINE_REQUESTS;

/**
 * `GET /v1/batch/jobs/{job_id}`. An ended job shows its result lines in `outputs` if it was made from inline requests (live:
 * without being asked to) or if `inline=true`; `inline=false` never does.
 */
export function getJobRoute(app: FastifyInstance, deps: ApiDependencies): void {
  const { database } = deps;
  app.get('/v1/batch/jobs/:job_id', { config: { access: 'read' } }, async (request, reply) => {
    const { inline } = validate(batchJobQuery, request.query, 'query');
    const batch = await database.getBatch(request.caller.workspaceId, jobIdOf(request.params));
    if (batch === null) throw jobNotFound();
    const job = jobView(batch, deps);
    if (!isTerminal(batch.state) || !(inline ?? batch.inline)) return job;

    refuseTooMany(batch);
    const body = Readable.from(withOutputs(job, outputLines(deps, batch)), { objectMode: false });
    body.on('error', (error) => deps.log.error({ batch: batch.id, err: error }, 'inline results broke off'));
    return reply.type('application/json; charset=utf-8').send(body);
  });
}

function refuseTooMany(batch: BatchRecord): void {
  const rows = batch.succeeded + batch.failed;
  if (rows <= MAX_OUTPUTS) return;
  throw new ApiError(
    'too_many_outputs',
    `The job has ${rows} results; at most ${MAX_OUTPUTS} are shown inline. Download output_file ${batch.outputFileId} ` +
      `and error_file ${batch.errorFileId} instead.`,
  );
}

/** The job as JSON with its lines put in as they are: they are JSON already, and together may be larger than memory. */
async function* withOutputs(job: BatchJob, lines: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let separator = '{';
  for (const [key, value] of Object.entries(job)) {
    yield Buffer.from(`${separator}${JSON.stringify(key)}:`);
    separator = ',';
    if (key === 'outputs') yield* jsonArray(lines);
    else yield Buffer.from(JSON.stringify(value));
  }
  yield Buffer.from('}');
}

async function* jsonArray(items: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let separator = '[';
  for await (const item of items) {
    yield Buffer.from(separator);
    yield item;
    separator = ',';
  }
  yield Buffer.from(separator === '[' ? '[]' : ']');
}
