import type { BatchEndpoint } from '@bora/protocol/batch-endpoints';
import {
  createBatchJobMembers,
  DEFAULT_TIMEOUT_HOURS,
  hoursOfCompletionWindow,
  timeoutHours,
} from '@bora/protocol/mistral-jobs';
import type { CreateBatchJobMembers } from '@bora/protocol/mistral-jobs';
import { ApiError, invalidMember } from '../errors.ts';
import { validate } from '../validation.ts';

/** What a create call says besides its inline requests, in one spelling. */
export interface CreateMembers {
  readonly endpoint: BatchEndpoint;
  /** Null for inline requests. */
  readonly inputFileIds: readonly string[] | null;
  readonly model: string | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly timeoutHours: number;
}

/**
 * Checks the members. Null means absent everywhere (SDKs send it, measured). `input_file_id` stands in for `input_files` and
 * `completion_window` for `timeout_hours`, as clients of other dialects write them.
 * @throws ApiError 422
 */
export function readCreateMembers(members: unknown, requests: number | null): CreateMembers {
  const given = validate(createBatchJobMembers, members, 'body');
  // The schema's records leave this key out without a word.
  if (Object.hasOwn((members as { metadata?: object | null }).metadata ?? {}, '__proto__')) {
    throw invalidMember(['body', 'metadata', '__proto__'], 'The key __proto__ cannot be kept', 'value_error');
  }
  const inputFileIds = given.input_files ?? (given.input_file_id == null ? null : [given.input_file_id]);
  checkInputs(inputFileIds, requests);
  if (given.agent_id != null) throw agentNotServed(given.agent_id);
  return {
    endpoint: given.endpoint,
    inputFileIds,
    model: given.model ?? null,
    metadata: given.metadata ?? null,
    timeoutHours: hours(given),
  };
}

/** Mistral does not say what both or neither means; guessing would run work that nobody asked for. */
function checkInputs(inputFileIds: readonly string[] | null, requests: number | null): void {
  if (inputFileIds !== null && requests !== null) {
    throw new ApiError(
      'inputs_ambiguous',
      'The job has both `input_files` and `requests`. Send one of them.',
    );
  }
  if (inputFileIds === null && requests === null) {
    throw new ApiError(
      'inputs_ambiguous',
      'The job has neither `input_files` nor `requests`. Name uploaded files, or put the requests into the call.',
    );
  }
  if (requests === 0) throw new ApiError('empty_input', '`requests` is empty, so there is nothing to run.');
}

function hours(given: CreateBatchJobMembers): number {
  if (given.timeout_hours != null) return given.timeout_hours;
  if (given.completion_window == null) return DEFAULT_TIMEOUT_HOURS;
  const window = hoursOfCompletionWindow(given.completion_window);
  return validate(timeoutHours, window, 'body');
}

/** Mistral's agents are kept by Mistral's own service, and a request is sent to whoever serves its model: an agent names none. */
function agentNotServed(agentId: string): ApiError {
  return new ApiError(
    'agent_not_served',
    `The job is for the agent ${JSON.stringify(agentId)}, but agents live on Mistral's service, and Bora sends requests to models. ` +
      "Name a `model`, and put the agent's instructions and tools into each request.",
  );
}
