import type { BoraClient } from '@bora/client';
import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import type { RunState } from './run-state.ts';

/** The key under which a run's job carries the run's id. */
const RUN_KEY = 'bora_run';

export interface RunRequest {
  readonly input: string;
  readonly endpoint: BatchEndpoint;
  readonly model: string | null;
  readonly timeoutHours: number;
}

/**
 * The job of a run: the one it already made, or a new one. A run that was killed after its upload or after the creation of its job, but
 * before it wrote that down, finds both by the run's id.
 */
export async function findOrCreateJob(
  client: BoraClient,
  state: RunState,
  request: RunRequest,
  signal: AbortSignal,
): Promise<BatchJob> {
  if (state.jobId !== null) return client.jobs.get(state.jobId, { inline: false }, signal);
  const made = await client.jobs.list({ metadata: { [RUN_KEY]: state.runId } }, signal);
  if (made.data.length > 0) return made.data[0];
  const fileId = await findOrUpload(client, state.runId, request.input, signal);
  return client.jobs.create(
    {
      input_files: [fileId],
      endpoint: request.endpoint,
      model: request.model,
      metadata: { [RUN_KEY]: state.runId },
      timeout_hours: request.timeoutHours,
    },
    signal,
  );
}

async function findOrUpload(
  client: BoraClient,
  runId: string,
  input: string,
  signal: AbortSignal,
): Promise<string> {
  const filename = `run-${runId}.jsonl`;
  const uploaded = await client.files.list({ search: filename }, signal);
  if (uploaded.data.length > 0) return uploaded.data[0].id;
  const file = await client.files.upload({ path: input }, { filename }, signal);
  return file.id;
}
