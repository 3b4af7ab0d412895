/**
 * Every error that the API answers of its own, with its permanent code. The codes stand under `bora.code` in the body;
 * docs/errors.md lists the same ones with what to do about them (a test compares the two).
 */
export const ERROR_CODES = {
  invalid_api_key: 401,
  bad_signature: 403,
  scope_missing: 403,
  workspace_disabled: 403,
  unknown_path: 404,
  file_not_found: 404,
  job_not_found: 404,
  key_not_found: 404,
  workspace_not_found: 404,
  upstream_not_found: 404,
  workspace_exists: 409,
  bad_multipart: 400,
  not_multipart: 415,
  file_too_large: 413,
  workspace_full: 413,
  body_too_large: 413,
  range_not_satisfiable: 416,
  invalid_request: 422,
  invalid_json: 422,
  bad_batch_file: 422,
  endpoint_not_served: 422,
  agent_not_served: 422,
  inputs_ambiguous: 422,
  wrong_purpose: 422,
  empty_input: 422,
  missing_member: 422,
  named_file_not_found: 422,
  too_many_named_files: 422,
  no_model: 422,
  unknown_model: 422,
  too_many_outputs: 422,
  too_many_pending: 429,
  too_many_jobs: 429,
  internal_error: 500,
  storage_unavailable: 503,
  disk_full: 507,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;
