/** Files as they are on the wire. Members are named as there; times are Unix seconds. */

/** Bora runs `batch`, resolves `ocr` and `audio` in requests that name them, and keeps `fine-tune`. */
export type FilePurpose = 'fine-tune' | 'batch' | 'ocr' | 'audio';

/** What lies inside; `batch_*` are batch input, output and error files. */
export type SampleType =
  | 'pretrain'
  | 'instruct'
  | 'batch_request'
  | 'batch_result'
  | 'batch_error'
  | 'ocr_input'
  | 'audio_input';

/** Who made the file: `upload` a client, `mistral` the server (result files, inline requests). */
export type FileSource = 'upload' | 'repository' | 'mistral';

/** `user`: seen by its uploader alone. */
export type FileVisibility = 'workspace' | 'user';

export interface MistralFile {
  readonly id: string;
  readonly object: 'file';
  readonly bytes: number;
  readonly created_at: number;
  readonly filename: string;
  /** The last four are given by OpenAI's clients alone. */
  readonly purpose: FilePurpose | 'assistants' | 'vision' | 'user_data' | 'evals';
  readonly sample_type: SampleType;
  /** Lines of a JSONL file; null if they were not counted. */
  readonly num_lines: number | null;
  readonly mimetype: string | null;
  readonly source: FileSource;
  /** Lower-case hex MD5 of the content; null for result files. */
  readonly signature: string | null;
  /** Null = kept until deleted. */
  readonly expires_at: number | null;
  readonly visibility: FileVisibility | null;
}

export interface RetrievedFile extends MistralFile {
  readonly deleted: boolean;
}

export interface FileList {
  readonly data: MistralFile[];
  readonly object: 'list';
  /** All files that match, whatever the page; null if `include_total` was false. */
  readonly total: number | null;
}

export interface DeletedFile {
  readonly id: string;
  readonly object: 'file';
  readonly deleted: boolean;
}
