/** Jobs and their lines as they are on the wire. Members are named as there; times are Unix seconds. */

/** What a job may ask its requests of. */
export type BatchEndpoint =
  | '/v1/chat/completions'
  | '/v1/fim/completions'
  | '/v1/embeddings'
  | '/v1/moderations'
  | '/v1/chat/moderations'
  | '/v1/classifications'
  | '/v1/chat/classifications'
  | '/v1/ocr'
  | '/v1/conversations'
  | '/v1/audio/transcriptions';

/** `SUCCESS` says that every request was processed, not that every one succeeded. */
export type JobStatus =
  | 'QUEUED'
  | 'RUNNING'
  | 'SUCCESS'
  | 'FAILED'
  | 'TIMEOUT_EXCEEDED'
  | 'CANCELLATION_REQUESTED'
  | 'CANCELLED';

/** `-created` = newest first. */
export type JobOrder = 'created' | '-created';

/** A line of a batch input file, or an item of inline `requests`. */
export interface InputLine {
  /** Comes back with the result. May be missing, or used twice. */
  readonly custom_id?: string | null | undefined;
  /** The request as its endpoint takes it; `model` may be missing if the job names one. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a job is made of: `input_files` or `requests`, one of the two. Bora keeps no agents, so a job names a model. */
export interface NewJob {
  readonly endpoint: BatchEndpoint;
  /** Ids of files of the purpose `batch`, in the order of their requests. */
  readonly input_files?: readonly string[] | null | undefined;
  /** At most 10,000. */
  readonly requests?: readonly InputLine[] | null | undefined;
  /** Wins over the requests' own `model`. Without it each of them needs one. */
  readonly model?: string | null | undefined;
  /** Keys of 1..32 characters, values of 1..512. */
  readonly metadata?: Readonly<Record<string, string>> | null | undefined;
  /** 1..168, default 24. */
  readonly timeout_hours?: number | null | undefined;
}

/** Failed requests counted by message. */
export interface JobError {
  readonly message: string;
  readonly count: number;
}

/** What Bora says beyond Mistral's API; another server says nothing of it. */
export interface BoraJobExtension {
  /** Why requests of the job wait, most frequent first, each a sentence; empty if nothing waits. */
  readonly waiting?: string[] | undefined;
  /** Tokens of the answers counted so far, as the upstreams reported them. */
  readonly usage?: { readonly input_tokens: number; readonly output_tokens: number } | undefined;
  /** When the job's time is up; it moves while Bora is down. Null: never. */
  readonly deadline_at?: number | null | undefined;
  /** When it was asked to cancel; null if it never was. */
  readonly cancelling_at?: number | null | undefined;
  /** When its last request was done and its files began to be made; null before that. */
  readonly finalizing_at?: number | null | undefined;
  /** Why the job as a whole ended `FAILED`, a sentence. */
  readonly failure?: string | null | undefined;
  /** The state in Bora's own words, finer than `status`, for example `validating` or `finalizing`. */
  readonly state?: string | undefined;
}

export interface BatchJob {
  readonly id: string;
  readonly object: 'batch';
  /** For inline requests the one file that the server made of them. */
  readonly input_files: string[];
  readonly metadata: Record<string, string> | null;
  readonly endpoint: string;
  /** `mixed` if the requests name several models. */
  readonly model: string | null;
  /** Null on Bora; another server may have agents. */
  readonly agent_id: string | null;
  /** Null until the job ended, and after it if no request succeeded. */
  readonly output_file: string | null;
  /** Null until the job ended, and after it if no request failed. */
  readonly error_file: string | null;
  readonly errors: JobError[];
  /** Result lines, failed ones too, of a job made from inline requests or asked for with `inline`, once it ended. */
  readonly outputs: ResultLine[] | null;
  readonly status: JobStatus;
  readonly created_at: number;
  /** 0 until the input is planned. */
  readonly total_requests: number;
  /** Succeeded + failed. */
  readonly completed_requests: number;
  readonly succeeded_requests: number;
  readonly failed_requests: number;
  /** Null until work began. */
  readonly started_at: number | null;
  /** Null until the job ended. */
  readonly completed_at: number | null;
  readonly bora?: BoraJobExtension | undefined;
}

export interface BatchJobList {
  readonly data: BatchJob[];
  readonly object: 'list';
  /** All jobs that match, whatever the page. */
  readonly total: number;
}

export interface DeletedBatchJob {
  readonly id: string;
  readonly object: 'batch';
  readonly deleted: boolean;
}

/** A line of an output or error file as it is on the wire. `outcomeOf` reads its many shapes. */
export interface ResultLine {
  readonly id: string;
  readonly custom_id: string | null;
  readonly response?:
    | { readonly status_code: number; readonly body: Record<string, unknown> | string }
    | null
    | undefined;
  readonly error?: string | Record<string, unknown> | null | undefined;
}
