/**
 * Endpoints a job may name, and what a request's `body` must have for each beside the model, which the job may give (spec). Of
 * several names one is enough; a name whose value is null counts as absent.
 */
export const REQUIRED_MEMBERS = {
  '/v1/chat/completions': ['messages'],
  '/v1/fim/completions': ['prompt'],
  '/v1/embeddings': ['input'],
  '/v1/moderations': ['input'],
  '/v1/chat/moderations': ['input'],
  '/v1/classifications': ['input'],
  '/v1/chat/classifications': ['input'],
  '/v1/ocr': ['document'],
  '/v1/conversations': ['inputs'],
  '/v1/audio/transcriptions': ['file_url', 'file_id'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type BatchEndpoint = keyof typeof REQUIRED_MEMBERS;

/** All of them, in the order in which the spec lists them. */
export const BATCH_ENDPOINTS = Object.keys(REQUIRED_MEMBERS) as readonly BatchEndpoint[];

/**
 * The same for OpenAI's batches (spec; a model is required everywhere, because it says who answers). Of its list `/v1/images/edits` and
 * `/v1/videos` are left out: they take forms, and a line is JSON.
 */
export const OPENAI_REQUIRED_MEMBERS = {
  '/v1/chat/completions': ['messages'],
  '/v1/completions': ['prompt'],
  '/v1/embeddings': ['input'],
  '/v1/responses': ['input', 'prompt'],
  '/v1/moderations': ['input'],
  '/v1/images/generations': ['prompt'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Every endpoint that requests of either dialect may go to. */
export const ALL_ENDPOINTS: readonly string[] = [
  ...new Set([...BATCH_ENDPOINTS, ...Object.keys(OPENAI_REQUIRED_MEMBERS)]),
];
