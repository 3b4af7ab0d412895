import type { AnswerOf } from './answers.ts';
import type { BatchEndpoint, BatchJob, NewJob } from './job-types.ts';
import { BoraError } from './bora-error.ts';
import type { MistralFile } from './file-types.ts';
import type { Files, UploadOptions } from './files.ts';
import type { Jobs } from './jobs.ts';
import { JobNotEnded } from './not-yet.ts';
import type { JsonObject, RequestOutcome } from './outcome.ts';
import { partsOf } from './request-parts.ts';
import type { RequestList } from './request-parts.ts';
import { previewRequests } from './request-preview.ts';
import type { PreviewOptions, RequestPreview } from './request-preview.ts';
import type { RequestTarget } from './request-check.ts';
import { isComplete } from './wait.ts';
import type { WaitOptions } from './wait.ts';

/** What the jobs of a list have in common; the list is their input. */
export type ListJob = Omit<NewJob, 'input_files' | 'requests'>;

/** `filename` is by default `requests.jsonl`. */
export interface ListUploadOptions extends Omit<UploadOptions, 'purpose' | 'onProgress'> {
  /** Most requests in one file, so in one job; a longer list takes several. Default 1,000,000, what Mistral's service takes. */
  readonly maxRequests?: number;
  /** Most bytes in one file; the same. Default 500,000,000. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** All jobs of a list taken together. */
export interface ListProgress {
  readonly total: number;
  readonly completed: number;
  readonly succeeded: number;
  readonly failed: number;
  /** As last seen, in the order of the list; those not seen yet are missing. */
  readonly jobs: readonly BatchJob[];
}

export interface ListWaitOptions extends Omit<WaitOptions, 'onProgress'> {
  /** Called with each look at any of the jobs. */
  readonly onProgress?: (progress: ListProgress) => void;
}

export interface ResultOptions {
  /** Deletes the input and result files of the jobs after the last outcome was taken; not if reading stops before. Default false. */
  readonly deleteFiles?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface RunOptions extends ListUploadOptions, ListWaitOptions, ResultOptions {
  /** Called once with the jobs as created. Keep their ids: with them `wait` and `results` go on where a program stopped. */
  readonly onSubmitted?: (jobs: readonly BatchJob[]) => void;
}

/**
 * A list was submitted in part: `jobs` run, and `fileIds` are uploaded. The cause says why; an abort may be it. Where it is no refusal,
 * as after a lost connection, the first of `fileIds` may be in a job all the same.
 */
export class SubmittedInPart extends BoraError {
  override readonly name = 'SubmittedInPart';
  readonly jobs: readonly BatchJob[];
  readonly fileIds: readonly string[];

  constructor(cause: unknown, jobs: readonly BatchJob[], fileIds: readonly string[]) {
    const doubt = isRefusal(cause) ? '' : ' Look first whether the next one exists all the same.';
    super(
      `${jobs.length} of ${jobs.length + fileIds.length} jobs were created: ${cause instanceof Error ? cause.message : String(cause)} ` +
        `Create the others over fileIds, or cancel the jobs.${doubt}`,
      { code: 'submitted_in_part' },
      { cause },
    );
    this.jobs = jobs;
    this.fileIds = fileIds;
  }
}

const MAX_REQUESTS = 1_000_000;
const MAX_BYTES = 500_000_000;

/** Lists of requests, however long: checked, cut into files, sent as jobs, waited for and read as one. */
export class Requests {
  readonly #files: Files;
  readonly #jobs: Jobs;

  constructor(files: Files, jobs: Jobs) {
    this.#files = files;
    this.#jobs = jobs;
  }

  /** What `submit` would upload, and all that is wrong with it; nothing is sent. See `previewRequests`. */
  preview(requests: RequestList, job: RequestTarget, options: PreviewOptions = {}): Promise<RequestPreview> {
    return previewRequests(requests, job, options);
  }

  /**
   * Uploads a list, an iterable or an async iterable, in constant memory (in Node), as the files that it takes: for jobs that you create
   * yourself. An abort rejects at once.
   * @throws InvalidRequest, BoraError `empty_list`, or what the list throws; then none of its files stays.
   */
  async upload(
    requests: RequestList,
    target: RequestTarget,
    options: ListUploadOptions = {},
  ): Promise<MistralFile[]> {
    const { maxRequests = MAX_REQUESTS, maxBytes = MAX_BYTES, signal } = options;
    const { filename = 'requests.jsonl', visibility, expiry } = options;
    const settings: UploadOptions = { filename, purpose: 'batch', visibility, expiry };
    const files: MistralFile[] = [];
    try {
      for await (const { chunks } of partsOf(requests, target, { maxRequests, maxBytes }))
        files.push(await this.#files.upload(chunks, settings, signal));
      if (files.length === 0) throw new BoraError('The list holds no requests.', { code: 'empty_list' });
      return files;
    } catch (error) {
      await this.#discard(files);
      throw error;
    }
  }

  /**
   * Uploads a list and creates a job for each file that it takes. All is uploaded before the first job is created, so a list that ends in
   * an error starts nothing and leaves no file.
   * @throws as `upload`: nothing was started.
   * @throws SubmittedInPart if some jobs could be created and others not, or it is not known of the first.
   */
  async submit(requests: RequestList, job: ListJob, options: ListUploadOptions = {}): Promise<BatchJob[]> {
    const files = await this.upload(requests, job, options);
    const jobs: BatchJob[] = [];
    try {
      for (const { id } of files)
        jobs.push(await this.#jobs.create({ ...job, input_files: [id] }, options.signal));
      return jobs;
    } catch (error) {
      // Without an answer the first job may exist, and needs its file.
      if (jobs.length > 0 || !isRefusal(error)) {
        const left = files.slice(jobs.length).map(({ id }) => id);
        throw new SubmittedInPart(error, jobs, left);
      }
      await this.#discard(files);
      throw error;
    }
  }

  /**
   * Waits until all jobs have ended, and answers them in order. Takes jobs or their ids.
   * @throws as `Jobs.waitUntilComplete`, of the first that fails; the others go on by themselves.
   */
  async wait(jobs: readonly (BatchJob | string)[], options: ListWaitOptions = {}): Promise<BatchJob[]> {
    const { onProgress, signal, ...waiting } = options;
    const seen: (BatchJob | undefined)[] = jobs.map(() => undefined);
    const failed = new AbortController();
    const stop = signal === undefined ? failed.signal : AbortSignal.any([signal, failed.signal]);
    const waits = jobs.map(async (job, place) => {
      const note = (looked: BatchJob): void => {
        seen[place] = looked;
        onProgress?.(progressOf(seen));
      };
      const id = typeof job === 'string' ? job : job.id;
      return this.#jobs.waitUntilComplete(id, { ...waiting, onProgress: note, signal: stop });
    });
    try {
      return await Promise.all(waits);
    } catch (error) {
      failed.abort(error);
      await Promise.allSettled(waits);
      throw error;
    }
  }

  /**
   * What became of each request, in the order of the list: `Jobs.results` of all jobs, with `ordinal` counted over the whole list; null
   * after a job that ended before it was counted.
   * @throws JobNotEnded if one of them has not, before anything is read.
   */
  async *results<Body = JsonObject>(
    jobs: readonly BatchJob[],
    options: ResultOptions = {},
  ): AsyncGenerator<RequestOutcome<Body>, void, undefined> {
    const { deleteFiles = false, signal } = options;
    const running = jobs.find((job) => !isComplete(job));
    if (running !== undefined) throw new JobNotEnded(running);
    let before: number | null = 0;
    for (const job of jobs) {
      for await (const outcome of this.#jobs.results<Body>(job, signal)) {
        const ordinal = before === null || outcome.ordinal === null ? null : before + outcome.ordinal;
        yield { ...outcome, ordinal };
      }
      before = before === null || job.total_requests === 0 ? null : before + job.total_requests;
    }
    if (!deleteFiles) return;
    for (const { input_files: inputs, output_file: output, error_file: error } of jobs)
      for (const id of [...inputs, output, error]) if (id !== null) await this.#delete(id, signal);
  }

  /**
   * All in one: submits the list, waits, and gives each outcome in the order of the list. Nothing happens before the first outcome is asked
   * for. A program that stops meanwhile leaves jobs that go on: give `onSubmitted` to keep their ids.
   * What a succeeded outcome's `body` holds is typed by the endpoint; it is not checked.
   */
  async *run<Endpoint extends BatchEndpoint>(
    requests: RequestList,
    job: ListJob & { readonly endpoint: Endpoint },
    options: RunOptions = {},
  ): AsyncGenerator<RequestOutcome<AnswerOf[Endpoint]>, void, undefined> {
    const { onSubmitted, ...rest } = options;
    const jobs = await this.submit(requests, job, rest);
    onSubmitted?.(jobs);
    yield* this.results<AnswerOf[Endpoint]>(await this.wait(jobs, rest), rest);
  }

  /** Of files that nobody knows of. If it cannot be done, the error on its way is the one to be seen. */
  async #discard(files: readonly MistralFile[]): Promise<void> {
    await Promise.allSettled(files.map(({ id }) => this.#files.delete(id)));
  }

  async #delete(id: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#files.delete(id, signal);
    } catch (error) {
      if (!(error instanceof BoraError && error.status === 404)) throw error;
    }
  }
}

/** Whether the server said no, so that what was asked for was not done. */
function isRefusal(error: unknown): boolean {
  return error instanceof BoraError && error.status !== null && error.status < 500 && error.status !== 408;
}

function progressOf(seen: readonly (BatchJob | undefined)[]): ListProgress {
  const jobs = seen.filter((job) => job !== undefined);
  const sum = (count: (job: BatchJob) => number): number => jobs.reduce((all, job) => all + count(job), 0);
  return {
    total: sum((job) => job.total_requests),
    completed: sum((job) => job.completed_requests),
    succeeded: sum((job) => job.succeeded_requests),
    failed: sum((job) => job.failed_requests),
    jobs,
  };
}
