import type { InputFault, InputFaultKind } from '../../storage/ports/batch-records.ts';

/** A fault of the input as OpenAI's API words it. */
export interface WordedFault {
  readonly code: string;
  readonly message: string;
  readonly param: string | null;
}

type Words = readonly [
  code: string,
  message: (found: string | null, member: string | null, endpoint: string) => string,
];

const NO_JSON: Words = ['invalid_json_line', () => 'This line is not parseable as valid JSON.'];

/**
 * Codes and sentences are OpenAI's where they were observed, else those of Azure's or DashScope's copy of its API. `invalid_method`,
 * `line_too_long` and their sentences are ours.
 */
const WORDS: Readonly<Record<InputFaultKind, Words>> = {
  'not-utf8': NO_JSON,
  'not-json': NO_JSON,
  'not-object': NO_JSON,
  'too-long': [
    'line_too_long',
    () =>
      'This line is longer than a line may be on this server. Refer to large content by URL or file id instead.',
  ],
  missing: [
    'missing_required_parameter',
    (_, member) => `Missing required parameter: '${member?.replace(/^body\./, '')}'.`,
  ],
  'wrong-type': [
    'invalid_type',
    (found, member) =>
      `Invalid type for '${member}': expected ${member === 'body' ? 'an object' : 'a string'}, but got ${found} instead.`,
  ],
  'repeated-id': [
    'duplicate_custom_id',
    (found) =>
      `The custom_id '${found}' for this request is a duplicate of another request. The custom_id parameter must be unique for each request in a batch.`,
  ],
  method: [
    'invalid_method',
    (found) =>
      `The method '${found}' for this request is not supported by the Batch API. Each request must be a 'POST'.`,
  ],
  url: ['invalid_url', () => 'The URL provided for this request does not match the batch endpoint.'],
  'unknown-url': [
    'url_not_found',
    (found) => `The provided url '${found}' is not supported by the Batch API.`,
  ],
  streams: [
    'streaming_unsupported',
    (_found, _member, endpoint) =>
      `${STREAMING_NAMES[endpoint] ?? endpoint}: Streaming is not supported in the Batch API.`,
  ],
  'unknown-model': [
    'model_not_found',
    (found) => `The provided model '${found}' is not supported by the Batch API.`,
  ],
  'other-model': [
    'mismatched_model',
    (found) =>
      `The model '${found}' for this request does not match the rest of the batch. Each batch must contain requests for a single model.`,
  ],
  empty: [
    'empty_file',
    () => 'The input file is empty. Please ensure that the batch contains at least one request.',
  ],
  'too-many': ['too_many_tasks', (found) => `The batch has ${found}. Split the file into several batches.`],
};

const STREAMING_NAMES: Readonly<Record<string, string>> = {
  '/v1/chat/completions': 'Chat Completions',
  '/v1/completions': 'Completions',
  '/v1/responses': 'Responses',
  '/v1/images/generations': 'Images',
};

export function wordsFor({ kind, member, found, fileId }: InputFault, endpoint: string): WordedFault {
  const [code, message] = WORDS[kind];
  const sentence = message(found, member, endpoint);
  return { code, message: fileId === undefined ? sentence : `${sentence} (file ${fileId})`, param: member };
}
