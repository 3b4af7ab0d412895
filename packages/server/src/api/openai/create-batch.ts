import { randomUUID } from 'node:crypto';
import { createOpenAiBatch, MAX_METADATA_PAIRS, windowMs } from '@bora/protocol/openai-batches';
import type { OpenAiBatch } from '@bora/protocol/openai-batches';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { Caller } from '../../access/authenticate.ts';
import { fileMemberOf } from '../../bytes/named-files.ts';
import { routeOf } from '../../storage/ports/batch-records.ts';
import type { FileRecord } from '../../storage/ports/file-records.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';
import { readJsonObject } from '../json-body.ts';
import { fileIdOf } from '../path-ids.ts';
import { keyedIdOf } from '../repeated-creates.ts';
import { storeBatchOnce } from '../store-batch.ts';
import { batchView } from './batch-view.ts';
import { invalidParameter, unsupportedValue, validateOpenAi } from './validation.ts';

const MAX_KEY_LENGTH = 64;

/**
 * `POST /v1/batches`. Answers at once: the input is validated behind it, and what is wrong with its lines fails the batch. What is known
 * to be wrong now is refused.
 */
export function createBatchRoute(app: FastifyInstance, deps: ApiDependencies): void {
  app.post('/v1/batches', { config: { access: 'write' } }, async (request, reply): Promise<OpenAiBatch> => {
    const { caller } = request;
    const body = await readJsonObject(request.raw);
    const given = validateOpenAi(createOpenAiBatch, withFirstInput(body));
    checkMetadata(given.metadata ?? {}, body['metadata']);
    const ids = body['input_file_id'] === undefined ? given.input_files : null;
    const asked = {
      endpoint: given.endpoint,
      completionWindow: given.completion_window,
      metadata: given.metadata ?? null,
      isLenient: given.bora?.lenient ?? false,
      resultsExpireMs: expiryOf(given),
      inputFileIds: (ids ?? [given.input_file_id]).map(knownFileId),
    };
    const batch = await storeBatchOnce(deps, { request, reply, what: [asked] }, async () => {
      const endpoint = knownEndpoint(asked.endpoint, deps);
      const timeoutMs = timeOf(asked.completionWindow, deps);
      const inputs: FileRecord[] = [];
      for (const id of asked.inputFileIds) inputs.push(await inputOf(id, caller, deps));
      return {
        ...asked,
        endpoint,
        id: keyedIdOf(request) ?? randomUUID(),
        workspaceId: caller.workspaceId,
        dialect: 'openai',
        model: null,
        agentId: null,
        timeoutMs: Math.max(timeoutMs, deps.settings.leastTimeoutMs),
        fileMember: fileMemberOf(endpoint),
        inline: false,
        totalRequests: requestsIn(inputs),
        routes: routesOf(endpoint, inputs),
        priority: 0,
        createdBy: caller.creator,
      };
    });
    deps.log.info(
      { batch: batch.id, endpoint: batch.endpoint, requests: batch.totalRequests },
      'took a batch',
    );
    return batchView(batch, deps);
  });
}

/** Some clients name their files `input_files`, of which the first stands in for the one that the others name. */
function withFirstInput(body: Record<string, unknown>): Record<string, unknown> {
  const { input_file_id: id, input_files: ids } = body;
  return id === undefined && Array.isArray(ids) ? { ...body, input_file_id: ids[0] as unknown } : body;
}

/** Clients of Azure leave `/v1` out. */
function knownEndpoint(given: string, { settings, upstreams }: ApiDependencies): string {
  const known = settings.openAiEndpoints;
  const endpoint = known.find((each) => each === given || each === `/v1${given}`);
  if (endpoint === undefined) throw unsupportedValue('endpoint', given, known);
  const served = upstreams.endpoints().filter((each) => known.includes(each));
  if (served.includes(endpoint)) return endpoint;
  const message = `No upstream is meant to serve ${endpoint}. Served are: ${served.join(', ')}.`;
  throw new ApiError('endpoint_not_served', message, {}, {}, { param: 'endpoint', code: 'invalid_value' });
}

function timeOf(window: string, { settings }: ApiDependencies): number {
  const { minCompletionWindow, maxCompletionWindow } = settings;
  const ms = windowMs(window);
  if (ms !== null && ms >= windowMs(minCompletionWindow)! && ms <= windowMs(maxCompletionWindow)!) return ms;
  const message =
    `Invalid value: '${window}'. Supported values are a number of minutes, hours or days ` +
    `from '${minCompletionWindow}' to '${maxCompletionWindow}', such as '24h'.`;
  throw invalidParameter(message, 'completion_window', 'invalid_value');
}

function checkMetadata(metadata: Readonly<Record<string, string>>, sent: unknown): void {
  // The schema's records leave this key out without a word.
  if (Object.hasOwn(sent ?? {}, '__proto__')) {
    throw invalidParameter(
      "Invalid 'metadata': the key '__proto__' cannot be kept.",
      'metadata',
      'invalid_value',
    );
  }
  const keys = Object.keys(metadata);
  if (keys.length > MAX_METADATA_PAIRS) {
    throw invalidParameter(
      `Invalid 'metadata': too many properties. Expected an object with at most ${MAX_METADATA_PAIRS} properties, but got an object with ${keys.length} properties instead.`,
      'metadata',
      'object_above_max_properties',
    );
  }
  const long = keys.find((key) => key.length > MAX_KEY_LENGTH);
  if (long === undefined) return;
  throw invalidParameter(
    `Invalid 'metadata': key '${long}' is too long. Expected a key with maximum length ${MAX_KEY_LENGTH}, but got one with length ${long.length} instead.`,
    'metadata',
    'string_above_max_length',
  );
}

async function inputOf(
  id: string,
  { workspaceId, creator }: Caller,
  { database }: ApiDependencies,
): Promise<FileRecord> {
  const file = await database.getFile(workspaceId, id, creator);
  if (file === null) throw inputNotFound(id);
  if (file.purpose === 'batch' && file.sampleType === 'batch_request') return file;
  throw new ApiError(
    'wrong_purpose',
    `The file ${id} is no input of a batch. Upload the requests as a file with the purpose 'batch'.`,
    {},
    {},
    { param: 'input_file_id', code: 'invalid_value' },
  );
}

function knownFileId(id: string): string {
  try {
    return fileIdOf({ file_id: id });
  } catch {
    throw inputNotFound(id);
  }
}

/** The sentence that clients know (observed). */
function inputNotFound(id: string): ApiError {
  return new ApiError(
    'file_not_found',
    `Cannot find file ${id}, or this workspace does not have access to it.`,
    {},
    {},
    { status: 400, param: 'file_id' },
  );
}

function expiryOf({ output_expires_after: after }: z.output<typeof createOpenAiBatch>): number | null {
  return after == null ? null : after.seconds * 1000;
}

/** Null if the line indexes do not tell. */
function requestsIn(inputs: readonly FileRecord[]): number | null {
  const requests = inputs.map(({ lineIndex }) => lineIndex?.requests);
  return requests.reduce<number | null>(
    (sum, each) => (sum === null || each === undefined ? null : sum + each),
    0,
  );
}

/** Null if the line indexes do not tell. */
function routesOf(endpoint: string, inputs: readonly FileRecord[]): string[] | null {
  const models = new Set<string>();
  for (const { lineIndex } of inputs) {
    if (lineIndex?.models == null) return null;
    for (const model of Object.keys(lineIndex.models)) models.add(model);
  }
  return [...models].map((model) => routeOf(endpoint, model));
}
