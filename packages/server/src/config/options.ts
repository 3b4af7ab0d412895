/**
 * Every option once. The environment, the command line, `bora.yaml`, `--help` and the reference page are all made of
 * this table; nothing else reads `process.env`.
 */
export interface OptionDefinition {
  readonly env: `BORA_${string}`;
  /** On the command line, with its two dashes. */
  readonly flag: `--${string}`;
  readonly type: OptionType;
  /** Used where nobody says otherwise; null = none, or no limit. */
  readonly default: string | number | null;
  /** One or two sentences, as `--help` prints them. */
  readonly description: string;
  /** Of a number. Bytes may be written with KiB, MiB or GiB. */
  readonly unit?: 'bytes' | 'seconds' | 'days' | 'requests' | 'jobs' | 'lines' | 'attempts' | 'connections';
  /** Of a number, inclusive. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
}

export type OptionType = 'text' | 'number' | 'list';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;

const MIB = 1024 * 1024;

export const OPTIONS = {
  host: {
    env: 'BORA_HOST',
    flag: '--host',
    type: 'text',
    default: '127.0.0.1',
    description: 'Address to listen on. Any but a loopback address needs an API key first: bora keys create.',
  },
  port: {
    env: 'BORA_PORT',
    flag: '--port',
    type: 'number',
    default: 2672,
    min: 0,
    max: 65_535,
    description: 'Port to listen on; 0 picks a free one.',
  },
  data: {
    env: 'BORA_DATA',
    flag: '--data',
    type: 'text',
    default: './bora-data',
    description: 'Folder that holds everything: database, uploads and results.',
  },
  config: {
    env: 'BORA_CONFIG',
    flag: '--config',
    type: 'text',
    default: null,
    description: 'Configuration file; ./bora.yaml is read if it exists. Environment and flags win over it.',
  },
  upstream: {
    env: 'BORA_UPSTREAM',
    flag: '--upstream',
    type: 'list',
    default: null,
    description:
      'Base URLs of the inference servers, separated by commas, such as http://gpu:8000. Several with their own keys, ' +
      'models or limits are described in bora.yaml.',
  },
  upstreamApiKey: {
    env: 'BORA_UPSTREAM_API_KEY',
    flag: '--upstream-api-key',
    type: 'text',
    default: null,
    description: 'Key sent as a bearer token to the servers of BORA_UPSTREAM.',
  },
  upstreamMaxInFlight: {
    env: 'BORA_UPSTREAM_MAX_IN_FLIGHT',
    flag: '--upstream-max-in-flight',
    type: 'number',
    default: null,
    min: 1,
    unit: 'attempts',
    description:
      'Most requests that one server of BORA_UPSTREAM gets at once, 64 without it; fewer while it answers 429 or 503.',
  },
  localUpstreams: {
    env: 'BORA_LOCAL_UPSTREAMS',
    flag: '--local-upstreams',
    type: 'text',
    default: 'find',
    choices: ['find', 'ignore'],
    description:
      'With no upstream configured: find servers on the usual ports of this machine (Ollama 11434, vLLM 8000, llama.cpp 8080, ' +
      'LM Studio 1234, SGLang 30000) and use them, or ignore them.',
  },
  deadlinePolicy: {
    env: 'BORA_DEADLINE_POLICY',
    flag: '--deadline-policy',
    type: 'text',
    default: 'enforce',
    description:
      'What becomes of the time that a job is created with (timeout_hours): enforce it, none to let every job end, or at-least 72h ' +
      '(minutes m, hours h, days d) to give those that ask for less that much. For jobs created from then on.',
  },
  minCompletionWindow: {
    env: 'BORA_MIN_COMPLETION_WINDOW',
    flag: '--min-completion-window',
    type: 'text',
    default: '1m',
    description: 'Shortest completion_window of a batch: minutes m, hours h or days d.',
  },
  maxCompletionWindow: {
    env: 'BORA_MAX_COMPLETION_WINDOW',
    flag: '--max-completion-window',
    type: 'text',
    default: '30d',
    description: 'Longest completion_window of a batch.',
  },
  batchEndpoints: {
    env: 'BORA_BATCH_ENDPOINTS',
    flag: '--batch-endpoints',
    type: 'list',
    default: null,
    description:
      'Further endpoints that batches may have, such as /v1/rerank, separated by commas. They take and answer JSON.',
  },
  mixedModels: {
    env: 'BORA_MIXED_MODELS',
    flag: '--mixed-models',
    type: 'text',
    default: 'allow',
    choices: ['allow', 'refuse'],
    description: 'Whether the lines of a batch may name different models.',
  },
  logLevel: {
    env: 'BORA_LOG_LEVEL',
    flag: '--log-level',
    type: 'text',
    default: 'info',
    choices: LOG_LEVELS,
    description: 'How much is logged.',
  },
  publicUrl: {
    env: 'BORA_PUBLIC_URL',
    flag: '--public-url',
    type: 'text',
    default: null,
    description:
      'Base URL under which clients reach Bora, for signed download links; otherwise the Host header of the call is used.',
  },
  corsOrigins: {
    env: 'BORA_CORS_ORIGINS',
    flag: '--cors-origins',
    type: 'list',
    default: null,
    description:
      'Origins of web pages that may call Bora, such as https://app.example, separated by commas; * for all, or nobody. Without it all ' +
      'may once API keys exist, and none before.',
  },
  maxPendingRequests: {
    env: 'BORA_MAX_PENDING_REQUESTS',
    flag: '--max-pending-requests',
    type: 'number',
    default: null,
    min: 1,
    unit: 'requests',
    description: 'Most unfinished requests of a workspace, over all its jobs.',
  },
  maxActiveJobs: {
    env: 'BORA_MAX_ACTIVE_JOBS',
    flag: '--max-active-jobs',
    type: 'number',
    default: null,
    min: 1,
    unit: 'jobs',
    description: 'Most unfinished jobs of a workspace.',
  },
  maxStoredBytes: {
    env: 'BORA_MAX_STORED_BYTES',
    flag: '--max-stored-bytes',
    type: 'number',
    default: null,
    min: 1,
    unit: 'bytes',
    description: 'Most bytes that the files of a workspace may hold together; results are always taken.',
  },
  maxFileBytes: {
    env: 'BORA_MAX_FILE_BYTES',
    flag: '--max-file-bytes',
    type: 'number',
    default: null,
    min: 1,
    unit: 'bytes',
    description: 'Largest file that may be uploaded.',
  },
  maxFileLines: {
    env: 'BORA_MAX_FILE_LINES',
    flag: '--max-file-lines',
    type: 'number',
    default: null,
    min: 1,
    unit: 'lines',
    description: 'Most lines of an uploaded batch file.',
  },
  maxLineBytes: {
    env: 'BORA_MAX_LINE_BYTES',
    flag: '--max-line-bytes',
    type: 'number',
    default: 16 * MIB,
    min: 1024,
    max: 256 * MIB,
    unit: 'bytes',
    description: 'Longest line of a batch file, and longest inline request. A line is held in memory whole.',
  },
  maxCreateBytes: {
    env: 'BORA_MAX_CREATE_BYTES',
    flag: '--max-create-bytes',
    type: 'number',
    default: 256 * MIB,
    min: 1024,
    unit: 'bytes',
    description: 'Largest body of a call that creates a job with inline requests.',
  },
  maxAnswerBytes: {
    env: 'BORA_MAX_ANSWER_BYTES',
    flag: '--max-answer-bytes',
    type: 'number',
    default: 64 * MIB,
    min: 1024,
    max: 256 * MIB,
    unit: 'bytes',
    description: 'Largest answer of an inference server; a larger one makes its request fail.',
  },
  minFreeBytes: {
    env: 'BORA_MIN_FREE_BYTES',
    flag: '--min-free-bytes',
    type: 'number',
    default: 1024 * MIB,
    min: 0,
    unit: 'bytes',
    description:
      'With less room on the disk uploads are refused, requests are not sent, and /readyz answers 503; with less than half of it ' +
      'results are not written either. The rest is for the database.',
  },
  stallSeconds: {
    env: 'BORA_STALL_SECONDS',
    flag: '--stall-seconds',
    type: 'number',
    default: 60,
    min: 1,
    max: 86_400,
    unit: 'seconds',
    description:
      'A client that for so long sends nothing of its upload, or takes nothing of its download, is cut off; so is one that sends less ' +
      'than 64 KiB in ten times as long.',
  },
  maxConnections: {
    env: 'BORA_MAX_CONNECTIONS',
    flag: '--max-connections',
    type: 'number',
    default: 200,
    min: 1,
    max: 1_000_000,
    unit: 'connections',
    description: 'Most connections of clients at once; further ones are closed as they open.',
  },
  fetchAllow: {
    env: 'BORA_FETCH_ALLOW',
    flag: '--fetch-allow',
    type: 'list',
    default: null,
    description:
      'Addresses and networks, such as 10.1.0.0/16, separated by commas, from which file_url may be fetched though they are private, ' +
      'local or reserved.',
  },
  fetchMaxBytes: {
    env: 'BORA_FETCH_MAX_BYTES',
    flag: '--fetch-max-bytes',
    type: 'number',
    default: 512 * MIB,
    min: 1,
    unit: 'bytes',
    description: 'Largest content of a file_url; a larger one makes its request fail.',
  },
  fetchTimeoutSeconds: {
    env: 'BORA_FETCH_TIMEOUT_SECONDS',
    flag: '--fetch-timeout-seconds',
    type: 'number',
    default: 120,
    min: 1,
    max: 3600,
    unit: 'seconds',
    description: 'How long Bora waits for the server of a file_url, from the name to the last byte.',
  },
  auditDays: {
    env: 'BORA_AUDIT_DAYS',
    flag: '--audit-days',
    type: 'number',
    default: 365,
    min: 1,
    max: 36_500,
    unit: 'days',
    description: 'How long the audit log keeps its entries.',
  },
  stopGraceSeconds: {
    env: 'BORA_STOP_GRACE_SECONDS',
    flag: '--stop-grace-seconds',
    type: 'number',
    default: 30,
    min: 0,
    unit: 'seconds',
    description:
      'How long requests in flight may still finish when Bora is stopped; what does not is sent again later.',
  },
} as const satisfies Record<string, OptionDefinition>;

export type OptionName = keyof typeof OPTIONS;

type ValueOf<O extends OptionDefinition> = O['type'] extends 'number'
  ? number
  : O['type'] extends 'list'
    ? readonly string[]
    : O extends { readonly choices: readonly (infer Choice)[] }
      ? Choice
      : string;

/** The values of all options: checked, defaults filled in. */
export type OptionValues = {
  readonly [Name in OptionName]: (typeof OPTIONS)[Name]['default'] extends null
    ? ValueOf<(typeof OPTIONS)[Name]> | null
    : ValueOf<(typeof OPTIONS)[Name]>;
};

/** The name of an option in `bora.yaml`: `maxFileBytes` → `max_file_bytes`. */
export function fileKeyOf(name: OptionName): string {
  return OPTIONS[name].env.slice('BORA_'.length).toLowerCase();
}
