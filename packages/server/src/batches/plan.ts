import type { BlobStore } from '../storage/ports/blobs.ts';
import { BlobMissingError } from '../storage/ports/blobs.ts';
import type { Database } from '../storage/ports/database.ts';
import type { NewShard, PlanInput, TaskLease } from '../storage/ports/plan-and-finalise.ts';
import { routeOf } from '../storage/ports/batch-records.ts';
import type { InputFaults } from '../storage/ports/batch-records.ts';
import type { Log } from '../observe/log.ts';
import type { ReachStopPoint } from '../observe/stop-points.ts';
import { readFileRange } from '../files/content.ts';
import { decodeCuts, LineIndexer } from '../files/line-index.ts';
import { readBlob } from '../files/read-blob.ts';
import type { Budget } from './budget.ts';
import { findFaults } from './find-faults.ts';
import { wordsFor } from './lines/fault-words.ts';
import type { RequestRules } from './lines/request-rules.ts';
import { cutShards, requestsPerShard, type CutGroup } from './shard-cuts.ts';

/** Shards inserted by one transaction: about 100 KiB of rows. */
const SHARDS_PER_PAGE = 500;

export interface PlanDependencies {
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly log: Log;
  readonly reachStopPoint: ReachStopPoint;
  readonly validation: BatchValidation;
  /** See `FaultSearch`. */
  readonly reading: Budget;
}

/** What batches of OpenAI's dialect are held to before anything of them is sent. */
export interface BatchValidation {
  /** For a batch of that endpoint, as of now: models come and go. */
  rulesFor(endpoint: string): RequestRules;
  /** Null: no limit. */
  readonly maxRequests: number | null;
  readonly maxLineBytes: number;
}

/**
 * Plans a batch: cuts its inputs into shards from their line indexes, without reading the files. Only a file
 * uploaded without an index is read, once. A batch of OpenAI's dialect is validated before, and fails if a line is bad. Killed at any
 * point, the next attempt goes on behind the last shard.
 */
export async function planBatch(
  deps: PlanDependencies,
  lease: TaskLease,
  signal?: AbortSignal,
): Promise<void> {
  const { database, log, reachStopPoint } = deps;
  const input = await database.readPlanInput(lease);
  if (input === null) return;
  await reachStopPoint('plan.claimed');

  const fail = async (failure: string, faults?: InputFaults): Promise<void> => {
    if (!(await database.failBatch(lease, failure, faults))) return;
    log.error({ batch: input.batchId, state: 'failed', failure }, 'a job ended');
  };
  let groups: CutGroup[][];
  try {
    const faults = await validate(deps, input, signal);
    if (faults !== null) return await fail(sentenceOf(faults, input), faults);
    groups = await readAllGroups(deps, input, signal);
  } catch (error) {
    if (!(error instanceof BlobMissingError)) throw error;
    return fail(`An input file cannot be read any more. ${error.message}`);
  }

  const total = groups.flat().reduce((sum, group) => sum + group.requests, 0);
  const shards = cutShards(groups, requestsPerShard(total), input.lastShard);
  for (const page of pagesOf(shards)) {
    signal?.throwIfAborted();
    if (!(await database.addShards(lease, page))) return;
    await reachStopPoint('plan.shards-added');
  }
  await database.finishPlan(lease, {
    totalRequests: total,
    routes: input.model === null ? input.routes : [routeOf(input.endpoint, input.model)],
  });
}

/** What is wrong with the input, or null. Shards are cut only of what was found faultless, so once there are some it is not asked again. */
function validate(
  deps: PlanDependencies,
  input: PlanInput,
  signal?: AbortSignal,
): Promise<InputFaults | null> {
  if (input.dialect !== 'openai' || input.lastShard !== null) return Promise.resolve(null);
  const { validation, reading } = deps;
  const search = { ...validation, reading, rules: validation.rulesFor(input.endpoint) };
  return findFaults(deps, input, search, signal);
}

function sentenceOf({ count, first }: InputFaults, { endpoint }: PlanInput): string {
  const { message } = wordsFor(first[0], endpoint);
  if (first[0].line === null) return message;
  return `${count === 1 ? 'A line is' : `${count} lines are`} wrong, first line ${first[0].line}: ${message}`;
}

async function readAllGroups(
  deps: PlanDependencies,
  input: PlanInput,
  signal?: AbortSignal,
): Promise<CutGroup[][]> {
  const groups: CutGroup[][] = [];
  for (const file of input.inputs) {
    const cuts = await deps.database.readCuts(file.fileId);
    groups.push(
      cuts === null
        ? await indexNow(deps, file, signal)
        : [...decodeCuts(await readBlob(deps.blobs, cuts, signal))],
    );
  }
  return groups;
}

async function indexNow(
  deps: PlanDependencies,
  file: PlanInput['inputs'][number],
  signal?: AbortSignal,
): Promise<CutGroup[]> {
  const indexer = new LineIndexer();
  for await (const chunk of readFileRange(deps, file.fileId, 0, file.bytes, signal)) indexer.push(chunk);
  return [...decodeCuts(indexer.finish().cuts)];
}

function* pagesOf(shards: Iterable<NewShard>): Generator<NewShard[]> {
  let page: NewShard[] = [];
  for (const shard of shards) {
    page.push(shard);
    if (page.length === SHARDS_PER_PAGE) {
      yield page;
      page = [];
    }
  }
  if (page.length > 0) yield page;
}
