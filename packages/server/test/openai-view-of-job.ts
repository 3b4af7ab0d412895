import assert from 'node:assert/strict';
import type { BatchJob } from '@bora/protocol/mistral-jobs';
import { openAiIdOf } from '@bora/protocol/openai-batches';
import type { OpenAiBatch, OpenAiBatchStatus } from '@bora/protocol/openai-batches';

const STATUSES: Readonly<Record<string, OpenAiBatchStatus>> = {
  validating: 'validating',
  queued: 'in_progress',
  running: 'in_progress',
  expiring: 'finalizing',
  finalizing: 'finalizing',
};

/** OpenAI's view of a job of Mistral's, under either of its ids, says the same as the job, member by member. */
export async function assertSeenByOpenAi(boraUrl: string, job: BatchJob): Promise<void> {
  const { state = '', deadline_at = null, finalizing_at = null, cancelling_at = null } = job.bora ?? {};
  const endedAs = (end: string): number | null => (state === end ? job.completed_at : null);
  const isCounted = state !== 'validating' && state !== 'failed';
  const { input_tokens = 0, output_tokens = 0 } = job.bora?.usage ?? {};
  for (const id of [job.id, openAiIdOf(job.id)]) {
    const response = await fetch(`${boraUrl}/v1/batches/${id}`);
    const batch = (await response.json()) as OpenAiBatch;
    const { in_progress_at } = batch;
    // A cancel may come before it is planned, or behind.
    if (state !== 'cancelled') assert.equal(in_progress_at !== null, isCounted);
    const expected: OpenAiBatch = {
      id: openAiIdOf(job.id),
      object: 'batch',
      endpoint: job.endpoint,
      model: job.model,
      errors:
        state === 'failed'
          ? {
              object: 'list',
              data: [{ code: 'invalid_request', message: job.bora!.failure!, param: null, line: null }],
            }
          : null,
      input_file_id: job.input_files[0],
      completion_window: '1h',
      status: STATUSES[state] ?? (state as OpenAiBatchStatus),
      output_file_id: job.output_file,
      error_file_id: job.error_file,
      created_at: job.created_at,
      in_progress_at,
      expires_at: deadline_at,
      finalizing_at,
      completed_at: endedAs('completed'),
      failed_at: endedAs('failed'),
      expired_at: endedAs('expired'),
      cancelling_at,
      cancelled_at: endedAs('cancelled'),
      request_counts: {
        total: isCounted ? job.total_requests : 0,
        completed: isCounted ? job.succeeded_requests : 0,
        failed: isCounted ? job.failed_requests : 0,
      },
      usage: {
        input_tokens,
        input_tokens_details: { cached_tokens: 0 },
        output_tokens,
        output_tokens_details: { reasoning_tokens: 0 },
        total_tokens: input_tokens + output_tokens,
      },
      metadata: job.metadata ?? null,
      bora: job.bora,
    };
    assert.deepEqual(batch, expected);
  }
}
