import type { BatchJob } from '@bora/protocol/mistral-jobs';

/** A job as the server shows it, running unless overridden. */
export function sampleJob(overrides: Partial<BatchJob> = {}): BatchJob {
  return {
    id: '11111111-1111-4111-8111-111111111111',
    object: 'batch',
    input_files: ['22222222-2222-4222-8222-222222222222'],
    metadata: null,
    endpoint: '/v1/chat/completions',
    model: 'm',
    agent_id: null,
    output_file: null,
    error_file: null,
    errors: [],
    outputs: null,
    status: 'RUNNING',
    created_at: 1_700_000_000,
    total_requests: 4,
    completed_requests: 0,
    succeeded_requests: 0,
    failed_requests: 0,
    started_at: null,
    completed_at: null,
    ...overrides,
  };
}
