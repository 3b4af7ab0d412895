import {
  createBatchJobMembers,
  DEFAULT_TIMEOUT_HOURS,
  hoursOfCompletionWindow,
  SERVED_ENDPOINTS,
  timeoutHours,
} from '@bora/protocol/mistral-jobs';
import type { CreateBatchJobMembers, ServedEndpoint } from '@bora/protocol/mistral-jobs';
import { ApiError } from '../errors.ts';
import { validate } from '../validation.ts';

/** What a create call says besides its inline requests, in one spelling. */
export interface CreateMembers {
  readonly endpoint: ServedEndpoint;
  /** Null for inline requests. */
  readonly inputFileIds: readonly string[] | null;
  readonly model: string | null;
  readonly agentId: string | null;
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
  const inputFileIds = given.input_files ?? (given.input_file_id == null ? null : [given.input_file_id]);
  checkInputs(inputFileIds, requests);
  return {
    endpoint: servedEndpoint(given.endpoint),
    inputFileIds,
    model: given.model ?? null,
    agentId: given.agent_id ?? null,
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

function servedEndpoint(endpoint: CreateBatchJobMembers['endpoint']): ServedEndpoint {
  const served = SERVED_ENDPOINTS.find((known) => known === endpoint);
  if (served !== undefined) return served;
  throw new ApiError(
    'endpoint_not_served',
    `Bora does not run jobs for ${endpoint}. It runs them for ${SERVED_ENDPOINTS.join(' and ')}.`,
  );
}
