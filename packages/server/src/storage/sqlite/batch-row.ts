import type { BatchRecord } from '../ports/batch-records.ts';
import { deadlineOrNull } from './deadlines.ts';

/** A batch as its store reads it, with the progress of its open shards. */
export interface BatchRow {
  readonly id: string;
  readonly workspace_id: string;
  readonly dialect: BatchRecord['dialect'];
  readonly endpoint: string;
  readonly model: string | null;
  readonly agent_id: string | null;
  readonly metadata: string | null;
  readonly inline: number;
  readonly completion_window: string | null;
  readonly is_lenient: number;
  readonly results_expire_ms: number | null;
  readonly routes: string | null;
  readonly priority: number;
  readonly created_by: string | null;
  readonly created_as: string | null;
  readonly state: BatchRecord['state'];
  readonly end_reason: BatchRecord['endReason'];
  readonly failure: string | null;
  readonly faults: string | null;
  readonly planned_at: number | null;
  readonly total_requests: number | null;
  readonly all_succeeded: number;
  readonly all_failed: number;
  readonly all_input_tokens: number;
  readonly all_output_tokens: number;
  readonly all_cached_tokens: number;
  readonly all_reasoning_tokens: number;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly created_at: number;
  readonly deadline_at: number;
  readonly started_at: number | null;
  readonly cancelling_at: number | null;
  readonly finalizing_at: number | null;
  readonly ended_at: number | null;
  readonly inputs: string;
  readonly errors: string;
  readonly parked: string;
}

export function batchFrom(row: BatchRow): BatchRecord {
  return {
    id: row.id,
    workspaceId: row.workspace_id,
    dialect: row.dialect,
    endpoint: row.endpoint,
    model: row.model,
    agentId: row.agent_id,
    metadata: row.metadata === null ? null : (JSON.parse(row.metadata) as Record<string, string>),
    inputFileIds: JSON.parse(row.inputs) as string[],
    inline: row.inline === 1,
    completionWindow: row.completion_window,
    isLenient: row.is_lenient === 1,
    resultsExpireMs: row.results_expire_ms,
    routes: row.routes === null ? null : (JSON.parse(row.routes) as string[]),
    priority: row.priority,
    createdBy: row.created_by,
    createdAs: row.created_as,
    state: row.state,
    endReason: row.end_reason,
    failure: row.failure,
    faults: row.faults === null ? null : (JSON.parse(row.faults) as BatchRecord['faults']),
    totalRequests: row.total_requests ?? 0,
    succeeded: row.all_succeeded,
    failed: row.all_failed,
    inputTokens: row.all_input_tokens,
    outputTokens: row.all_output_tokens,
    cachedTokens: row.all_cached_tokens,
    reasoningTokens: row.all_reasoning_tokens,
    errors: JSON.parse(row.errors) as BatchRecord['errors'],
    parked: JSON.parse(row.parked) as BatchRecord['parked'],
    outputFileId: row.output_file_id,
    errorFileId: row.error_file_id,
    createdAt: row.created_at,
    deadlineAt: deadlineOrNull(row.deadline_at),
    plannedAt: row.planned_at,
    startedAt: row.started_at,
    cancellingAt: row.cancelling_at,
    finalizingAt: row.finalizing_at,
    endedAt: row.ended_at,
  };
}
