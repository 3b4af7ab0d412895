import { REQUIRED_MEMBERS } from '@bora/protocol/batch-endpoints';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import { fileMemberOf } from '../../bytes/named-files.ts';
import { memberCountOf } from '../../files/line-index.ts';
import { routeOf } from '../../storage/ports/batch-records.ts';
import type { FileFacts, LineIndexSummary } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/** What a job reads, as far as its line index tells. */
export type JobInput = Pick<FileFacts, 'id' | 'purpose' | 'sampleType' | 'lineIndex'>;

/** What the batch's row says of its requests; null = unknown until planned, for a file that was uploaded without a check. */
export interface JobWork {
  readonly totalRequests: number | null;
  readonly routes: readonly string[] | null;
}

interface Job {
  readonly endpoint: BatchEndpoint;
  readonly model: string | null;
}

/**
 * Refuses a job over inputs that could only fail, before anything is sent.
 * @throws ApiError 422 that names the file, the first line at fault and how many there are
 */
export function checkJobInputs(
  job: Job,
  inputs: readonly JobInput[],
  upstreams: ApiDependencies['upstreams'],
): JobWork {
  for (const input of inputs) {
    checkPurpose(input);
    if (input.lineIndex !== null) checkLines(job, input, input.lineIndex);
  }
  checkEndpoint(job.endpoint, upstreams);
  const indexes = inputs.map(({ lineIndex }) => lineIndex);
  const totalRequests = sumOrNull(indexes.map((index) => index?.requests ?? null));
  if (totalRequests === 0) {
    throw new ApiError(
      'empty_input',
      `No request is in ${inputs.map(describe).join(' and ')}, so there is nothing to run.`,
    );
  }
  const models = modelsOf(job, indexes);
  if (models !== null) checkModels(job.endpoint, models, upstreams);
  return {
    totalRequests,
    routes: models === null ? null : models.map((model) => routeOf(job.endpoint, model)),
  };
}

function checkPurpose(input: JobInput): void {
  if (input.purpose === 'batch' && input.sampleType === 'batch_request') return;
  throw new ApiError(
    'wrong_purpose',
    `${describe(input)} has the purpose ${input.purpose} and holds ${input.sampleType}, so it cannot be the input of a job. ` +
      'Upload the requests as a file with the purpose batch.',
  );
}

function checkLines({ endpoint, model }: Job, input: JobInput, index: LineIndexSummary): void {
  const names = REQUIRED_MEMBERS[endpoint];
  const found = memberCountOf(index, names);
  const without = found === null ? 0 : index.requests - index.badLines - found.count;
  if (without > 0) {
    const member = names.map((name) => JSON.stringify(name)).join(' or ');
    throw new ApiError(
      'missing_member',
      `${endpoint} needs ${member} in each request's body, but ${without} of ${index.requests} in ${describe(input)} ` +
        `lack it, first on line ${found?.firstWithout ?? 1}. Are the requests meant for another endpoint?`,
    );
  }
  const fileMember = fileMemberOf(endpoint);
  if (fileMember !== null && index.filesNamed === null) {
    throw new ApiError(
      'too_many_named_files',
      `The lines of ${describe(input)} name more files in "${fileMember}" than Bora keeps watch over for one input (100,000). ` +
        'Spread the requests over several input files; a job may have many.',
    );
  }
  if (model === null && index.withoutModel > 0) {
    throw new ApiError(
      'no_model',
      `The job names no model, and ${index.withoutModel} of ${index.requests} requests in ${describe(input)} name none either, ` +
        `first on line ${index.firstWithoutModel ?? 1}. Set "model" on the job, or in each request's body.`,
    );
  }
}

/** Models that will be asked for, or null if the indexes do not tell. */
function modelsOf(job: Job, indexes: readonly (LineIndexSummary | null)[]): string[] | null {
  if (job.model !== null) return [job.model];
  const models = new Set<string>();
  for (const index of indexes) {
    if (index === null || index.models === null) return null;
    for (const model of Object.keys(index.models)) models.add(model);
  }
  return [...models];
}

function checkEndpoint(endpoint: BatchEndpoint, upstreams: ApiDependencies['upstreams']): void {
  const served = upstreams.endpoints();
  if (served.includes(endpoint)) return;
  throw new ApiError(
    'endpoint_not_served',
    `No upstream is meant to serve ${endpoint}. Served are: ${served.join(', ')}. What each serves stands under \`endpoints\` in bora.yaml.`,
  );
}

/** With no upstream reachable nobody can tell which models there are, so the job is taken and waits. */
function checkModels(
  endpoint: BatchEndpoint,
  models: readonly string[],
  upstreams: ApiDependencies['upstreams'],
): void {
  const { reachable, models: known, unheard } = upstreams.models(endpoint);
  if (!reachable || known === 'any') return;
  const unknown = models.find((model) => !known.includes(model));
  if (unknown === undefined) return;
  const others =
    unheard.length === 0
      ? ''
      : ` What ${unheard.join(' and ')} would serve is not known yet; try again once it has answered.`;
  throw new ApiError(
    'unknown_model',
    `You do not have access to the model ${JSON.stringify(unknown)}: no upstream serves it on ${endpoint}. Served are: ${known.join(', ')}.${others}`,
  );
}

function sumOrNull(counts: readonly (number | null)[]): number | null {
  return counts.reduce((sum, count) => (sum === null || count === null ? null : sum + count), 0);
}

function describe(input: JobInput): string {
  return `file ${input.id}`;
}
