import type { InputFault } from '../../storage/ports/batch-records.ts';

/** A fault of the input as OpenAI's API words it. */
export interface WordedFault {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

const STREAMING_NAMES: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'Chat Completions',
  '/v1/completions': 'Completions',
  '/v1/responses': 'Responses',
  '/v1/images/generations': 'Images',
};

/**
 * Codes and sentences are OpenAI's where they were observed, else those of Azure's or DashScope's copy of its API; see docs/errors.md.
 * `invalid_method`, `line_too_long` and their sentences are ours.
 */
export function wordsFor({ kind, member, found }: InputFault, endpoint: string): WordedFault {
  switch (kind) {
    case 'not-utf8':
    case 'not-json':
    case 'not-object':
      return {
        code: 'invalid_json_line',
        message: 'This line is not parseable as valid JSON.',
        param: null,
      };
    case 'too-long':
      return {
        code: 'line_too_long',
        message:
          'This line is longer than a line may be on this server. Refer to large content by URL or file id instead.',
        param: null,
      };
    case 'missing':
      return {
        code: 'missing_required_parameter',
        message: `Missing required parameter: '${member?.replace(/^body\./, '')}'.`,
        param: member,
      };
    case 'wrong-type': {
      const expected = member === 'body' ? 'an object' : 'a string';
      return {
        code: 'invalid_type',
        message: `Invalid type for '${member}': expected ${expected}, but got ${found} instead.`,
        param: member,
      };
    }
    case 'repeated-id':
      return {
        code: 'duplicate_custom_id',
        message: `The custom_id '${found}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
        param: member,
      };
    case 'method':
      return {
        code: 'invalid_method',
        message: `The method '${found}' for this request is not supported by the Batch API. Each request must be a 'POST'.`,
        param: member,
      };
    case 'url':
      return {
        code: 'invalid_url',
        message: 'The URL provided for this request does not match the batch endpoint.',
        param: member,
      };
    case 'unknown-url':
      return {
        code: 'url_not_found',
        message: `The provided url '${found}' is not supported by the Batch API.`,
        param: member,
      };
    case 'streams':
      return {
        code: 'streaming_unsupported',
        message: `${STREAMING_NAMES[endpoint] ?? endpoint}: Streaming is not supported in the Batch API.`,
        param: member,
      };
    case 'unknown-model':
      return {
        code: 'model_not_found',
        message: `The provided model '${found}' is not supported by the Batch API.`,
        param: member,
      };
    case 'other-model':
      return {
        code: 'mismatched_model',
        message: `The model '${found}' for this request does not match the rest of the batch. Each batch must contain requests for a single model.`,
        param: member,
      };
    case 'empty':
      return {
        code: 'empty_file',
        message: 'The input file is empty. Please ensure that the batch contains at least one request.',
        param: null,
      };
    case 'too-many':
      return {
        code: 'too_many_tasks',
        message: `The batch has ${found}. Split the file into several batches.`,
        param: null,
      };
  }
}
